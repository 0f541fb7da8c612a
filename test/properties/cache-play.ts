import fc from "fast-check";
import { Types } from "mongoose";
import { expect } from "vitest";
import { gated, gateLoad } from "../support/gate.ts";
import { until } from "../support/until.ts";
import { byActivity, channelsIn, faultOf, newestIn, peopleIn } from "./cache-oracle.ts";
import { limit, type World } from "./cache-world.ts";

const by = fc.constantFrom(0 as const, 1 as const);
const room = fc.constantFrom("a", "b");
const who = fc.constantFrom("ann", "bob", "eve");
const kind = <K extends string>(name: K) => fc.constant(name);
const target = fc.constantFrom("list a", "list b", "marks a", "marks b", "zset", "profiles", "channels");

const everyday = [
  { weight: 6, arbitrary: fc.record({ kind: kind("say"), by, room, skew: fc.integer({ min: -50, max: 50 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("whisper"), by, room, who }) },
  { weight: 6, arbitrary: fc.record({ kind: kind("read"), by, room, who }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("status"), by, person: fc.nat(3), online: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("users"), by }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("page"), by }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("channel"), by }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("channels"), by }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("evict"), target }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("expire"), target }) },
];
const past = [
  { weight: 3, arbitrary: fc.record({ kind: kind("past: say"), room }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("past: whisper"), room, who }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("past: unwhisper"), room }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("past: edit"), room }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("past: delete"), room }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("past: promote"), person: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("past: channel") }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("past: unchannel") }) },
];
/** All on one key, where they meet. */
const sameList = [
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind("say"), by, room: kind("a"), skew: fc.integer({ min: -50, max: 50 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind("read"), by, room: kind("a"), who }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("evict"), target: kind("list a") }) },
];
const sameWhispers = [
  { weight: 3, arbitrary: fc.record({ kind: kind("whisper"), by, room: kind("a"), who }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("read"), by, room: kind("a"), who }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("evict"), target: kind("marks a") }) },
];
const sameUsers = [
  { weight: 3, arbitrary: fc.record({ kind: kind("status"), by, person: fc.nat(3), online: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("users"), by }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("page"), by }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("evict"), target: fc.constantFrom("zset", "profiles") }) },
];
const alone = ["flush", "freeze", "squeeze", "restart empty", "restart older"] as const;
const grouped = ["flush", "failover"] as const;

type Everyday = typeof everyday extends { arbitrary: fc.Arbitrary<infer T> }[] ? T : never;
type Past = typeof past extends { arbitrary: fc.Arbitrary<infer T> }[] ? T : never;
export type Command = Everyday | Past;
export type Fault = (typeof alone)[number] | (typeof grouped)[number];

/** Batches of commands that run at once; `fault`: what befalls Redis during the batch. */
export function plays(followed: boolean, sentinels: boolean) {
  const faults: readonly Fault[] = sentinels ? grouped : alone;
  const commands = fc.oneof(...everyday, ...(followed ? past : [])) as fc.Arbitrary<Command>;
  const batch = fc.record({
    commands: fc.oneof(
      ...[
        commands,
        fc.oneof(...sameList) as fc.Arbitrary<Command>,
        fc.oneof(...sameWhispers) as fc.Arbitrary<Command>,
        fc.oneof(...sameUsers) as fc.Arbitrary<Command>,
      ].map((one) => fc.array(one, { minLength: 2, maxLength: 8 })),
    ),
    fault: followed
      ? fc.option(fc.constantFrom(...faults), { nil: undefined, freq: 8 })
      : fc.constant<Fault | undefined>(undefined),
  });
  return fc.record({
    before: fc.constantFrom(0, 3, limit - 1, limit + 5),
    batches: fc.array(batch, { minLength: 1, maxLength: 3 }),
  });
}
export type Play = ReturnType<typeof plays> extends fc.Arbitrary<infer T> ? T : never;

let serial = 0;
const readers = ["a", "b"].flatMap((name) => ["ann", "bob", "eve"].map((reader) => [name, reader] as const));

/** One run on rooms of its own. Throws at the first answer that MongoDB alone would not have given. */
export async function perform(world: World, play: Play, scheduler: fc.Scheduler, followed: boolean): Promise<void> {
  const { db, instances } = world;
  const tag = `${++serial}`;
  const roomOf = (name: string) => `r${tag}${name}`;
  const keyOf: Record<string, string> = {
    "list a": `cache:messages:recent:${roomOf("a")}`,
    "list b": `cache:messages:recent:${roomOf("b")}`,
    "marks a": `cache:messages:whispers:${roomOf("a")}`,
    "marks b": `cache:messages:whispers:${roomOf("b")}`,
    zset: "cache:users:list",
    profiles: "{cache:users:list}:profiles",
    channels: "cache:channels:list",
  };
  /** \`people\`: whose it is, when it is not everybody's. */
  const acknowledged: { by: number; room: string; id: string; key: string; people?: string[] }[] = [];
  const removed = new Set<string>();
  const messages = db.collection("messages");
  const stored = (channel: string, at: number, to: string | null = null) => ({
    author: "old",
    text: to === null ? `past ${++serial}` : "secret",
    channel,
    type: to === null ? "public" : "private",
    target: to,
    timestamp: new Date(at),
  });
  const people = (await peopleIn(db)).slice(0, 4);
  for (const name of ["a", "b"])
    if (play.before > 0)
      await messages.insertMany(
        Array.from({ length: play.before }, (_, n) => stored(roomOf(name), Date.now() - 10_000 + n)),
      );

  async function read(from: 0 | 1, name: string, reader: string): Promise<void> {
    const due = acknowledged.filter(
      ({ by: writer, room: where, id, people: whose }) =>
        where === name &&
        (!followed || writer === from) &&
        !removed.has(id) &&
        (whose === undefined || whose.includes(reader)),
    );
    const lines = await instances[from].services.messages.recent(roomOf(name), reader);
    const keys = lines.map(({ timestamp, id }) => `${timestamp.toISOString()} ${id}`);
    expect(lines.length).toBeLessThanOrEqual(limit);
    expect(keys).toEqual([...new Set(keys)].sort());
    expect(
      lines.filter(({ type, author, target: to }) => type === "private" && author !== reader && to !== reader),
    ).toEqual([]);
    const oldest = lines.length === limit ? (keys[0] ?? "") : "";
    const shown = new Set(lines.map(({ id }) => id));
    const missing = due.filter(({ id, key }) => key > oldest && !shown.has(id) && !removed.has(id));
    expect(missing, "acknowledged, and not shown").toEqual([]);
  }

  async function say(from: 0 | 1, name: string, more: { type: "public" } | { type: "private"; target: string }) {
    const line = {
      author: "ann",
      room: roomOf(name),
      text: more.type === "private" ? "secret" : `${++serial}`,
      ...more,
    };
    const { id, timestamp } = await instances[from].services.messages.add(line);
    const key = `${timestamp.toISOString()} ${id}`;
    acknowledged.push({ by: from, room: name, id, key, ...("target" in more && { people: ["ann", more.target] }) });
  }

  const someOf = (name: string, type = "public") => messages.findOne({ channel: roomOf(name), type });

  /** Redis may be out: then there is nothing to do. */
  const inTurn = (name: string, work: () => Promise<unknown>) =>
    gateLoad({ dead: false }, name, async () => void (await work().catch(() => undefined)));

  async function act(command: Command): Promise<void> {
    switch (command.kind) {
      case "say":
        world.skew = command.skew;
        return say(command.by, command.room, { type: "public" });
      case "whisper":
        return say(command.by, command.room, { type: "private", target: command.who });
      case "read":
        return read(command.by, command.room, command.who);
      case "status": {
        const id = people[command.person]?.id ?? "";
        const status = command.online ? "online" : "offline";
        return instances[command.by].services.users.setStatus([
          { id, status, lastActive: new Date(Date.now() + ++serial) },
        ]);
      }
      case "users": {
        const names = (await instances[command.by].services.users.list()).map(({ nickname }) => nickname);
        return expect(names).toEqual([...new Set(names)].sort());
      }
      case "page": {
        const page = await instances[command.by].services.users.page({ limit: 3 });
        const seen = page.users.map(({ lastActive }) => -lastActive.getTime());
        return expect(seen).toEqual([...seen].sort((a, b) => a - b));
      }
      case "channel":
        return void (await instances[command.by].services.channels.create({
          name: `c${tag} ${++serial}`,
          type: "text",
          createdBy: "ann",
        }));
      case "channels": {
        const ids = (await instances[command.by].services.channels.list()).map(({ id }) => id);
        return expect(ids.length).toBe(new Set(ids).size);
      }
      case "evict":
        return inTurn("evict", () => world.redis.ask("DEL", keyOf[command.target] ?? ""));
      case "expire":
        return inTurn("expire", () => world.redis.ask("PEXPIRE", keyOf[command.target] ?? "", 1));
      case "past: say":
        return void (await messages.insertOne(stored(roomOf(command.room), Date.now() - 100)));
      case "past: edit": {
        const found = await someOf(command.room);
        if (found) await messages.updateOne({ _id: found._id }, { $set: { text: `edited ${++serial}` } });
        return;
      }
      case "past: whisper":
        return void (await messages.insertOne(stored(roomOf(command.room), Date.now() - 100, command.who)));
      case "past: delete":
      case "past: unwhisper": {
        const found = await someOf(command.room, command.kind === "past: delete" ? "public" : "private");
        if (!found) return;
        removed.add(String(found._id));
        return void (await messages.deleteOne({ _id: found._id }));
      }
      case "past: promote": {
        const _id = new Types.ObjectId(people[command.person]?.id ?? "");
        return void (await db
          .collection("users")
          .updateOne({ _id }, { $set: { role: serial % 2 ? "admin" : "member" } }));
      }
      case "past: channel": {
        const id = `p${tag}-${++serial}`;
        const made = { id, name: id, type: "text", position: 9, createdBy: "old", createdAt: new Date() };
        return void (await db.collection("channels").insertOne(made));
      }
      case "past: unchannel":
        return void (await db.collection("channels").deleteOne({ id: new RegExp(`^[cp]${tag}`) }));
    }
  }

  async function befall(fault: Fault | undefined): Promise<(() => unknown) | undefined> {
    const { redis } = world;
    switch (fault) {
      case "flush":
        return void (await redis.ask("FLUSHALL"));
      case "freeze":
        redis.freeze();
        return () => redis.thaw();
      case "squeeze":
        await redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        await redis.ask("CONFIG", "SET", "maxmemory", Number(await redis.info("used_memory")) + 2_000);
        return () => redis.relieve();
      case "restart empty":
        return void (await redis.restart({ keepData: false }));
      case "restart older":
        return redis.snapshot();
      case "failover": {
        const over = world.failOver?.();
        return () => over;
      }
    }
  }

  for (const batch of play.batches) {
    const undo = await befall(batch.fault);
    const runs = batch.commands.map((command, at) =>
      gated(
        `${at} ${command.kind}`,
        (run, leg) => scheduler.schedule(Promise.resolve(), `${run.name}: ${leg}`),
        () => act(command),
      ),
    );
    await scheduler.waitFor(Promise.all(runs.map(({ done }) => done)));
    await undo?.();
  }

  /** Everything that can be read, as this instance shows it. */
  async function shownBy(one: World["instances"][number]) {
    const { messages: lines, users, channels } = one.services;
    const histories = await Promise.all(
      readers.map(async ([name, reader]) =>
        (await lines.recent(roomOf(name), reader)).map(({ id, text }) => ({ id, text })),
      ),
    );
    const pages = await Promise.all(
      readers.map(async ([name, reader]) => {
        const { messages: shown, before } = await lines.page(roomOf(name), reader, { limit });
        return { ids: shown.map(({ id }) => id), more: before !== null };
      }),
    );
    const all = await users.list();
    const listed = all.map(({ lastActive, createdAt: _, ...card }) => ({ ...card, seen: lastActive.getTime() }));
    const paged = (await users.page({ limit: 100 })).users.map(({ id }) => id);
    return { histories, pages, listed, paged, channels: (await channels.list()).map(({ id }) => id) };
  }
  async function truth() {
    const visible = await Promise.all(readers.map(([name, reader]) => newestIn(db, roomOf(name), reader, limit + 1)));
    const histories = visible.map((lines) => lines.slice(-limit));
    const pages = visible.map((lines, at) => ({
      ids: (histories[at] ?? []).map(({ id }) => id),
      more: lines.length > limit,
    }));
    const listed = await peopleIn(db);
    return { histories, pages, listed, paged: byActivity(listed), channels: await channelsIn(db) };
  }

  const is = await truth();
  // The first once more: what it has filled, it finds.
  for (const one of [...instances, instances[0]]) {
    if (followed) {
      await one.trusting();
      await until(async () => JSON.stringify(sorted(await shownBy(one))) === JSON.stringify(sorted(is)), {
        timeoutMs: 15_000,
        describe: async () => "what MongoDB has",
      }).catch(() => undefined);
    }
    expect(await shownBy(one)).toEqual(is);
  }
  for (const name of ["list a", "list b"]) expect(await faultOf(world.redis, keyOf[name] ?? "", limit)).toBeUndefined();
  for (const name of ["marks a", "marks b"])
    expect(String(await world.redis.ask("HGETALL", keyOf[name] ?? ""))).not.toContain("secret");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
