/** A deliberate bug: in `file`, `find` (there exactly once) becomes `replace`. The suites must notice. */
export interface Mutant {
  name: string;
  file: string;
  find: string;
  replace: string;
  /** What notices it, when it is neither the races nor the properties. */
  suite?: string;
}

const behaviour = "test/sessions/rollout.test.ts";
const contract = "test/sessions/rollout-contract.test.ts";
const door = "test/redis/call.test.ts";
const single = "test/sessions/pure.test.ts";

export const mutants: Mutant[] = [
  {
    name: "a save brings a destroyed session back",
    file: "src/sessions/stores/documents.ts",
    find: "{ _id: id, v: older }, writing(content, version), {",
    replace: "{ _id: id, v: older }, writing(content, version), { upsert: true,",
  },
  {
    name: "Redis is written before MongoDB",
    file: "src/sessions/writes.ts",
    find: "    const write = base ?",
    replace: `    if (redis) {
      const early = parts.versions.next(base?.version, true);
      const text = copyOf(encoded, expires, epoch, early);
      if (text) await leg(id, copies.put(id, text, early, expires - clock.now(), false));
    }
    const write = base ?`,
  },
  {
    name: "the epoch is never raised",
    file: "src/mongo/epoch.ts",
    find: "    renew(why, urgency, beyond = 0) {",
    replace: "    renew(why, urgency, beyond = 0) {\n      if (value > 0) return;",
  },
  {
    name: "copies of any epoch are believed",
    file: "src/sessions/copy.ts",
    find: "return this.#text.startsWith(epoch, this.#epochAt);",
    replace: "return epoch !== this.#text;",
  },
  {
    name: "a copy ends when the cookie in it says",
    file: "src/sessions/reads.ts",
    find: "const expiresOf = ({ expires }: SessionDocument) => expires?.getTime() ??",
    replace:
      "const expiresOf = ({ session: text }: SessionDocument) => Date.parse(JSON.parse(String(text)).cookie.expires) ||",
    suite: behaviour,
  },
  {
    name: "a fill needs no lease",
    file: "src/sessions/scripts.ts",
    find: 'if redis.call("GET", KEYS[2]) ~= ARGV[1] then return "late" end\n',
    replace: "",
  },
  {
    name: "a save leaves the lease of a fill",
    file: "src/sessions/scripts.ts",
    find: 'redis.call("DEL", KEYS[2])\nlocal head, version = mark(KEYS[1])\nif not head and ARGV[4]',
    replace: "local head, version = mark(KEYS[1])\nif not head and ARGV[4]",
  },
  {
    name: "a destroy leaves the lease of a fill",
    file: "src/sessions/stores/copies.ts",
    find: "redis.del(keysOf(id))",
    replace: "redis.del(prefix + id)",
  },
  {
    name: "an older save replaces a newer copy",
    file: "src/sessions/scripts.ts",
    find: 'if version and not older(version, ARGV[2]) then return "newer" end\n',
    replace: "",
  },
  {
    name: "a save makes a copy where there is none",
    file: "src/sessions/scripts.ts",
    find: 'if not head and ARGV[4] ~= "1" then return "absent" end\n',
    replace: "",
  },
  {
    name: "the change stream is ignored",
    file: "src/sessions/follower.ts",
    find: '    if (typeof id !== "string") return;',
    replace: "    if (id) return;",
  },
  {
    name: "writes of a crashed instance are never looked after",
    file: "src/sessions/follower.ts",
    find: "    if (v !== undefined) {",
    replace: "    if (v !== undefined) return;\n    if (v !== undefined) {",
  },
  {
    name: "a write without Redis does not say so",
    file: "src/sessions/version.ts",
    find: 'redis ? "" : NO_REDIS',
    replace: 'redis ? "" : ""',
  },
  {
    name: "what was seen is forgotten",
    file: "src/sessions/floors.ts",
    find: "      return floor === undefined || atLeast(copy.version, floor);",
    replace: "      return floor === undefined || floor !== copy.version || true;",
  },
  {
    name: "what an old server writes back is not looked up",
    file: "src/sessions/stores/documents.ts",
    find: "    return oldServers() && (await",
    replace: '    return id === "" && oldServers() && (await',
  },
  {
    name: "touches never reach MongoDB",
    file: "src/sessions/writes.ts",
    find: "return Math.abs(expires - base.expires) >= most;",
    replace: "return Math.abs(expires - base.expires) >= most * 1e9;",
    suite: behaviour,
  },
  {
    name: "a fill carries the epoch known at its end",
    file: "src/sessions/reads.ts",
    find: "? fill(id, token, epoch, now)",
    replace: "? fill(id, token, trust.epoch.value || epoch, now)",
  },
  {
    name: "a session written past us counts as ours",
    file: "src/sessions/version.ts",
    find: "return stored.h === hash && version !== UNWRITTEN ? version :",
    replace: "return hash && version !== UNWRITTEN ? version :",
    suite: single,
  },
  {
    name: "the stream may be behind",
    file: "src/sessions/trust.ts",
    find: '    if (!follower?.live) return "stream";\n',
    replace: "",
  },
  {
    name: "what is made while it is ended is looked after once only",
    file: "src/sessions/follower.ts",
    find: '      afterwards(id, () => put("settled", () => copies.drop(id)));\n',
    replace: "",
  },
  {
    name: "a first copy may come as late as it likes",
    file: "src/sessions/writes.ts",
    find: "(made.overtaken || performance.now() - begun > timing.settle)",
    replace: "made.overtaken",
  },
  {
    name: "who makes a session does not heed that somebody else has changed it",
    file: "src/sessions/writes.ts",
    find: "    if (made) made.overtaken = true;\n",
    replace: "",
  },
  {
    name: "a miss is believed without MongoDB",
    file: "src/sessions/reads.ts",
    find: "if (answer.value === null) return miss(id);",
    replace: "if (answer.value === null) return null;",
    suite: behaviour,
  },
  {
    name: "a touch does not reach Redis",
    file: "src/sessions/scripts.ts",
    find: '\nredis.call("PEXPIRE", KEYS[1], ARGV[1])\nreturn 1',
    replace: "\nreturn 1",
    suite: behaviour,
  },
  {
    name: "a touch older than the copy shortens it",
    file: "src/sessions/scripts.ts",
    find: 'if ARGV[2] ~= "" and older(ARGV[2], version) then\n',
    replace: "if false then\n",
    suite: behaviour,
  },
  {
    name: "a callback that throws is called again",
    file: "src/sessions/callbacks.ts",
    find: "    queueMicrotask(() => {\n      throw fault;\n    });",
    replace: "    callback?.(fault);",
    suite: contract,
  },
  {
    name: "what comes after the deadline is answered, too",
    file: "src/sessions/callbacks.ts",
    find: "      line.done(wait);\n      if (answered) return;\n",
    replace: "      line.done(wait);\n",
  },
  {
    name: "there is no deadline",
    file: "src/sessions/callbacks.ts",
    find: "      if (answered) return;\n      answered = true;\n      call(callback, new",
    replace: "      if (!answered) return;\n      answered = true;\n      call(callback, new",
  },
  {
    name: "the bucket is another one at each percentage",
    file: "src/sessions/bucket.ts",
    find: "percent > 0 && point(id) <",
    replace: "percent > 0 && (point(id) * percent) % POINTS <",
    suite: single,
  },
  {
    name: "calls wait for a Redis that is away",
    file: "src/redis/door.ts",
    find: "      onAnswer(caller.refuse(name, status",
    replace: `      const timer = setInterval(() => {
        if (closed) clearInterval(timer);
        if (status.state !== "up") return;
        clearInterval(timer);
        send(name, command, options, script, onAnswer);
      }, 5);
      if (timer) return;
      onAnswer(caller.refuse(name, status`,
    suite: door,
  },
];
