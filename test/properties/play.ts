import { isDeepStrictEqual } from "node:util";
import type { SessionData, Store } from "express-session";
import { readCopy } from "../../src/sessions/copy.ts";
import { type Stored, sessionOf } from "../support/store-calls.ts";
import {
  type Command,
  type Op,
  type Outage,
  places,
  type Simple,
  type StockOp,
  shortPlaces,
  type Turn,
  words,
} from "./commands.ts";
import { gated, type Run } from "./gate.ts";
import { type Act, createOracle } from "./oracle.ts";
import { type Held, lagMs, type Member, operationMs, type World } from "./world.ts";

const dayMs = 86_400_000;
const shortMs = 4_000;
const hungMs = operationMs + 2_000;

export interface Tally {
  commands: number;
  /** How often each fault fell between two legs of an operation. */
  between: Record<string, number>;
  legs: number;
}

interface Life {
  readonly lifeMs: number;
  /** When its life was renewed last, for certain, and at the latest. */
  sure: number;
  latest: number;
}

const plain = (session: unknown) => JSON.parse(JSON.stringify(session)) as Stored;
const moment = () => new Promise((resolve) => setImmediate(resolve));

/** Plays one sequence of commands on the world, and says what is wrong with what was answered. */
export function createPlay(world: World, prefix: string, tally: Tally) {
  const oracle = createOracle(lagMs);
  const contents = new Map<string, Stored>();
  const lives = new Map<string, Life>();
  const slots = Array.from({ length: places }, (_, s) => `${prefix}-s${s}-0`);
  const everUsed = new Set(slots);
  let written = 0;
  let skewed = false;

  const lifeOf = (s: number) => (s >= places - shortPlaces ? shortMs : dayMs);
  function nextValue(): string {
    written += 1;
    return `w${written}`;
  }
  const wrong = (what: string): never => {
    throw new Error(what);
  };

  function asked<T>(what: string, call: (done: (error: unknown, value?: T) => void) => void): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let answers = 0;
      const begun = world.now();
      const timer = setInterval(() => {
        if (world.now() - begun < hungMs) return;
        clearInterval(timer);
        reject(new Error(`${what} was not answered within ${hungMs} ms`));
      }, 100);
      call((error, value) => {
        answers += 1;
        clearInterval(timer);
        if (answers > 1) world.doubled.push(what);
        if (error) reject(error instanceof Error ? error : new Error(String(error)));
        else resolve(value);
      });
    });
  }

  /** An error is right only while MongoDB is out; then nobody knows what came of it. */
  async function attempted<T>(what: string, from: number, work: Promise<T>): Promise<{ value: T } | undefined> {
    try {
      return { value: await work };
    } catch (error) {
      if (!world.mongoTroubled(from)) wrong(`${what} failed although MongoDB is well: ${String(error)}`);
      if (/was not answered/.test(String(error))) wrong(String(error));
      return undefined;
    }
  }

  function renewed(sid: string, lifeMs: number, at: number, sure: boolean): void {
    const life = lives.get(sid) ?? { lifeMs, sure: at, latest: at };
    life.latest = Math.max(life.latest, at);
    if (sure) life.sure = Math.max(life.sure, at);
    lives.set(sid, life);
  }

  /** Whether it may be over by time, and whether it must be. */
  function over(sid: string, from: number, to: number): { may: boolean; must: boolean } {
    const life = lives.get(sid);
    if (!life || life.lifeMs === dayMs) return { may: false, must: false };
    return {
      may: skewed || to - life.sure >= 0.9 * life.lifeMs,
      must: !skewed && from - life.latest > 1.1 * life.lifeMs + 1_000,
    };
  }

  function judged(sid: string, by: string, from: number, to: number, session: Stored | null): void {
    const value = session ? (session.value as string) : null;
    const time = over(sid, from, to);
    if (session && time.must) wrong(`${by} was shown ${sid}, whose time is up`);
    const verdict = oracle.judge(sid, { by, from, to, value }, time.may);
    if (verdict) wrong(`${by} was shown of ${sid}: ${verdict}`);
    if (session && !isDeepStrictEqual(plain(session), contents.get(value ?? "")))
      wrong(`${by} was shown ${JSON.stringify(session)} where ${JSON.stringify(contents.get(value ?? ""))} was set`);
    if (session && !isDeepStrictEqual(Reflect.ownKeys(session).sort(), Object.keys(session).sort()))
      wrong(`${by} was shown hidden keys: ${Reflect.ownKeys(session).map(String).join()}`);
  }

  /** What became of a write that was acknowledged, seen from the outside. */
  function fate(sid: string, act: Act, by: string, base: Held | undefined, s: number): "sure" | "maybe" | "none" {
    const others = oracle.of(sid).filter((one) => one !== act);
    if (!base) return "sure";
    const unseen = others.filter((one) => !oracle.known(one, by, base.from) && one.value !== base.value);
    const ends = unseen.filter((one) => one.value === null);
    const ended = ends.find((end) => end.sure && end.from > base.to && end.to <= act.from);
    const again = ended && others.some((one) => one.value !== null && one.to > ended.from);
    if (ended && !again) return "none";
    if (ends.length > 0 || (skewed && unseen.length > 0) || lifeOf(s) === shortMs) return "maybe";
    return "sure";
  }

  function settleFate(sid: string, act: Act, what: "sure" | "maybe" | "none"): void {
    act.to = world.now();
    act.sure = what === "sure";
    if (what === "none") oracle.forget(sid, act);
  }

  async function save(member: Member, s: number, sid: string, session: Stored, base: Held | undefined): Promise<void> {
    const value = nextValue();
    session.value = value;
    contents.set(value, plain(session));
    const act = oracle.begin(sid, member.name, value, world.now());
    renewed(sid, lifeOf(s), act.from, false);
    const set = asked<void>(`set ${sid}`, (done) => member.store.set(sid, session, done));
    if (!(await attempted(`${member.name} set ${sid}`, act.from, set))) return;
    const what = fate(sid, act, member.name, base, s);
    settleFate(sid, act, what);
    if (what === "sure") renewed(sid, lifeOf(s), act.from, true);
    const known =
      what === "sure" ? { from: act.from, to: act.to } : base ? { from: base.from, to: base.to } : undefined;
    if (known) member.held.set(sid, { session, ...known, value });
  }

  async function end(member: Member, sid: string, call: (done: (error: unknown) => void) => void): Promise<void> {
    const act = oracle.begin(sid, member.name, null, world.now());
    if (await attempted(`${member.name} destroy ${sid}`, act.from, asked(`destroy ${sid}`, call)))
      settleFate(sid, act, "sure");
  }

  function freshSid(s: number): string {
    const sid = `${prefix}-s${s}-${everUsed.size}`;
    everUsed.add(sid);
    slots[s] = sid;
    return sid;
  }

  function born(member: Member, sid: string, s: number): Stored {
    const req = { wanted: sid, headers: {} } as unknown as { session: SessionData; sessionID: string };
    (member.store as unknown as { generate(req: unknown): void }).generate(req);
    req.session.cookie.maxAge = lifeOf(s);
    return req.session as Stored;
  }

  function renewedCookie(session: Stored, s: number): Stored {
    session.cookie.expires = new Date(Date.now() + lifeOf(s)).toISOString() as unknown as Date;
    return session;
  }

  async function operate(op: Op): Promise<void> {
    tally.commands += 1;
    const member = world.at(op.at);
    const { store, held, name } = member;
    const sid = slots[op.s] ?? "";
    switch (op.do) {
      case "get": {
        const from = world.now();
        const got = await attempted(
          `${name} get ${sid}`,
          from,
          asked<SessionData | null>(`get ${sid}`, (d) => store.get(sid, d)),
        );
        if (!got || member.life.dead) return;
        const to = world.now();
        const session = (got.value ?? null) as Stored | null;
        judged(sid, name, from, to, session);
        if (session) held.set(sid, { session, from, to, value: session.value as string });
        else held.delete(sid);
        return;
      }
      case "set": {
        const base = op.how === "read before" ? held.get(sid) : undefined;
        const session = base ? renewedCookie(base.session, op.s) : sessionOf(lifeOf(op.s));
        // Two requests never share one object.
        held.delete(sid);
        return save(member, op.s, sid, session, base);
      }
      case "born": {
        const fresh = freshSid(op.s);
        return save(member, op.s, fresh, born(member, fresh, op.s), undefined);
      }
      case "touch": {
        const from = world.now();
        const session = renewedCookie(held.get(sid)?.session ?? sessionOf(lifeOf(op.s)), op.s);
        const alive = oracle.of(sid).every((act) => act.value !== null || act.to < 0);
        renewed(sid, lifeOf(op.s), from, false);
        const touch = asked<void>(`touch ${sid}`, (done) => store.touch(sid, session, done));
        if ((await attempted(`${name} touch ${sid}`, from, touch)) && alive && held.has(sid))
          renewed(sid, lifeOf(op.s), from, !over(sid, from, world.now()).may);
        return;
      }
      case "destroy":
        held.delete(sid);
        return end(member, sid, (done) => store.destroy(sid, done));
      case "regenerate": {
        held.delete(sid);
        const fresh = freshSid(op.s);
        const req = { wanted: fresh, headers: {}, sessionID: sid } as unknown as Parameters<Store["regenerate"]>[0];
        await end(member, sid, (done) => store.regenerate(req, done));
        const session = (req as { session?: SessionData }).session;
        if (!session) return wrong("regenerate made no session");
        session.cookie.maxAge = lifeOf(op.s);
        return save(member, op.s, fresh, session as Stored, undefined);
      }
      case "copy": {
        await attempted(`${name} copies ${sid}`, world.now(), store.parts.copy(sid));
      }
    }
  }

  /** An old server knows nothing of versions; what it writes back after one of ours has ended it must end again. */
  async function stock(op: StockOp): Promise<void> {
    tally.commands += 1;
    const sid = slots[op.s] ?? "";
    const session = sessionOf(lifeOf(op.s));
    if (op.do === "stock touch") {
      renewed(sid, lifeOf(op.s), world.now(), false);
      await asked(`stock touch ${sid}`, (done) => world.stock.touch?.(sid, session, done as () => void)).catch(
        () => {},
      );
      return;
    }
    const value = op.do === "stock set" ? nextValue() : null;
    if (value !== null) contents.set(value, plain(Object.assign(session, { value })));
    const before = [...oracle.of(sid)];
    const act = oracle.begin(sid, "stock", value, world.now());
    if (value === null) {
      await asked(`stock destroy ${sid}`, (done) => world.stock.destroy(sid, done));
      return settleFate(sid, act, "sure");
    }
    renewed(sid, lifeOf(op.s), act.from, false);
    await asked(`stock set ${sid}`, (done) => world.stock.set(sid, session, done));
    const ends = before.filter((one) => one.value === null && one.to > 0);
    if (!ends.some((one) => one.by !== "stock")) return settleFate(sid, act, "sure");
    const lastEnd = Math.max(...ends.map((one) => one.to));
    const since = before.filter((one) => one.value !== null && one.to > Math.min(lastEnd, act.from));
    if (lastEnd > act.from) return settleFate(sid, act, "maybe");
    const alive = since.some((one) => one.sure && one.by !== "stock" && one.from > lastEnd);
    settleFate(sid, act, alive && lifeOf(op.s) === dayMs ? "sure" : since.length > 0 ? "maybe" : "none");
  }

  async function turn(one: Turn): Promise<void> {
    tally.commands += 1;
    switch (one.do) {
      case "dial":
        return world.setDial(one.at, { percent: one.percent });
      case "mode":
        return world.setDial(one.at, { mode: one.mode });
      case "kill switch":
        await Promise.all(world.each(one.at).map(({ instance }) => instance.door.disable(one.on, "the test")));
        return;
      case "clock":
        skewed ||= one.ms !== 0;
        world.setClock(one.at, one.ms);
        return;
      case "crash":
        return world.crash(one.at);
      case "redis restarts":
        return world.redisStarts(one.how);
      case "redis is emptied":
        await world.redis.ask("FLUSHALL");
        return;
      case "redis is remembered":
        return world.remember();
    }
  }

  async function begin(outage: Outage): Promise<() => Promise<void>> {
    if (outage === "mongodb is down") {
      world.mongoDown();
      return async () => world.mongoUp();
    }
    if (outage === "redis is frozen") {
      world.redis.freeze();
      return async () => world.redis.thaw();
    }
    if (outage === "redis is full") {
      await world.redis.fill();
      return () => world.redis.relieve();
    }
    await world.redis.ask("SAVE");
    await world.redis.kill();
    return () => world.redis.restart({ keepData: true }).catch(() => world.redisStarts("empty"));
  }

  function simply(one: Simple): Promise<void> {
    if (one.do.startsWith("stock")) return stock(one as StockOp);
    return "s" in one ? operate(one as Op) : turn(one as Turn);
  }

  const name = (one: Simple) =>
    one.do === "redis restarts" ? `redis restarts ${one.how}` : one.do === "copy" ? "backfill step" : one.do;

  const queues = (op: Op, other: Simple) =>
    op.do !== "get" && op.do !== "copy" && "at" in other && "s" in other && other.at === op.at && other.s === op.s;

  async function between(command: Command & { do: "between" }): Promise<void> {
    let release = () => {};
    let arrived = () => {};
    const held = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let open = false;
    const enter = (run: Run): Promise<void> => {
      if (open || run.legs + 1 < command.leg) return Promise.resolve();
      arrived();
      return new Promise<void>((resolve) => {
        const before = release;
        release = () => {
          before();
          resolve();
        };
      });
    };
    const { run, done } = gated(words(command.op), enter, () => operate(command.op));
    const finished = done.then(moment).then(moment);
    finished.catch(() => {});
    await Promise.race([held, finished.catch(() => {})]);
    const count = (what: string) => {
      if (run.legs > 0) tally.between[what] = (tally.between[what] ?? 0) + 1;
    };
    const restore: (() => Promise<void>)[] = [];
    const after: Promise<void>[] = [];
    try {
      if (command.outage) {
        restore.push(await begin(command.outage));
        count(command.outage);
      }
      for (const one of command.commands) {
        count(name(one));
        if (command.outage?.startsWith("redis") && one.do.startsWith("redis")) continue;
        const doing = simply(one);
        // Writes of one session on one instance wait for each other.
        if (queues(command.op, one)) after.push(doing);
        else await doing;
      }
    } finally {
      open = true;
      release();
      const crashed = command.commands.some((one) => one.do === "crash" && one.at === command.op.at);
      // A process that died never answers.
      if (!crashed) await done.finally(async () => Promise.all(restore.map((one) => one())));
      else await Promise.all(restore.map((one) => one()));
      await Promise.all(after);
    }
  }

  async function together({ ops, order }: Command & { do: "together" }): Promise<void> {
    const waiting: { run: Run; go: () => void }[] = [];
    const enter = (run: Run) => new Promise<void>((go) => waiting.push({ run, go }));
    let left = ops.length;
    const runs = ops.map((op) => {
      const one = gated(
        words(op),
        (run) => (left > 0 || waiting.length > 0 ? enter(run) : Promise.resolve()),
        () => operate(op),
      );
      const settled = one.done.finally(() => {
        left -= 1;
      });
      settled.catch(() => {});
      return { ...one, settled };
    });
    for (let step = 0, idle = 0; left > 0 || waiting.length > 0 || idle < 2; step += 1) {
      await moment();
      if (runs.some(({ run }) => run.active > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
      const [next] = waiting.splice((order[step % order.length] ?? 0) % Math.max(waiting.length, 1), 1);
      if (next) {
        tally.legs += 1;
        const others = runs.filter(({ run }) => run !== next.run && run.legs > 0);
        for (const { run } of others)
          if (waiting.some((one) => one.run === run)) {
            const what = next.run.name.replace(/^\w+:? /, "").replace(/ s\d.*/, "");
            const known = `${what.replace("sets", "set")} elsewhere`;
            tally.between[known] = (tally.between[known] ?? 0) + 1;
          }
        next.go();
        idle = 0;
      } else if (left === 0) idle += 1;
      else await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(runs.map(({ settled }) => settled));
  }

  async function during({ outage, commands }: Command & { do: "during" }): Promise<void> {
    const restore = await begin(outage);
    try {
      for (const one of commands) if (!outage.startsWith("redis") || !one.do.startsWith("redis")) await simply(one);
    } finally {
      await restore();
    }
  }

  async function perform(command: Command): Promise<void> {
    try {
      if (command.do === "during") await during(command);
      else if (command.do === "between") await between(command);
      else if (command.do === "together") await together(command);
      else await simply(command);
    } catch (error) {
      throw new Error(`${words(command)}: ${(error as Error).message}`);
    }
  }

  /** Everything is well again, and soon all that can be asked say the same. */
  async function settle(): Promise<void> {
    await world.heal();
    const sids = [...everUsed].slice(-16);
    const begun = world.now();
    for (const sid of sids) {
      for (;;) {
        const answers: (string | null)[] = [];
        const from = world.now();
        for (const member of world.members.values()) {
          const got = await asked<SessionData | null>(`get ${sid}`, (done) => member.store.get(sid, done));
          answers.push(((got as Stored | null | undefined)?.value as string) ?? null);
        }
        const stocks = await asked<SessionData | null>(`stock get ${sid}`, (done) => world.stock.get(sid, done));
        answers.push(((stocks as Stored | null | undefined)?.value as string) ?? null);
        const agreed = new Set(answers).size === 1;
        const short = lives.get(sid)?.lifeMs === shortMs;
        if (agreed) {
          const [value = null] = answers;
          const { may } = over(sid, from, world.now());
          const verdict = oracle.judge(sid, { by: "anybody", from, to: world.now(), value }, may || (skewed && short));
          if (verdict && from - begun > lagMs) wrong(`all are shown of ${sid}: ${verdict}`);
          if (!verdict) break;
        }
        if (short && !agreed && over(sid, from, world.now()).may) break;
        if (from - begun > lagMs + 500)
          wrong(`${lagMs} ms after all was well, ${sid} is shown as ${answers.join(", ")}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await ends(sid);
    }
    if (world.doubled.length > 0) wrong(`answered twice: ${world.doubled.join(", ")}`);
  }

  /** Both stores let it end at about the same time. */
  async function ends(sid: string): Promise<void> {
    const life = lives.get(sid);
    if (skewed || !life) return;
    const key = `session:${sid}`;
    const [text, left] = [await world.redis.ask("GET", key), Number(await world.redis.ask("PTTL", key))];
    const document = await world.client
      .db()
      .collection("sessions")
      .findOne({ _id: sid as never });
    const copy = typeof text === "string" ? readCopy(text) : undefined;
    if (!copy || !document || copy.epoch !== world.at("A").store.parts.trust.epoch.value) return;
    const apart = Math.abs(Date.now() + left - (document.expires as Date).getTime());
    if (left > 0 && apart > life.lifeMs / 10 + 1_000) wrong(`${sid} ends ${apart} ms apart in the two stores`);
  }

  /** Every place has a session, and Redis copies of all of them. */
  async function start(): Promise<void> {
    for (let s = 0; s < places; s += 1) {
      await operate({ do: "born", at: s % 2 === 0 ? "A" : "B", s });
      await operate({ do: "get", at: "A", s });
    }
  }

  return { begin: start, perform, settle };
}
