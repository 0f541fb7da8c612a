import { afterAll, beforeAll, expect, it } from "vitest";
import type { Feeds } from "../../src/chat/services/feeds.ts";
import type { Message } from "../../src/chat/services/types.ts";
import { createSecondPath } from "../../src/realtime/second-path.ts";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

let mongod: OwnMongod;
let redis: RedisServer;
const doors: OpenedDoor[] = [];
const assemblies: Assembly[] = [];

beforeAll(async () => {
  [mongod, redis] = await Promise.all([startMongod({ replicaSet: false }), startRedisServer()]);
});
afterAll(async () => {
  await Promise.all(assemblies.map((one) => one.close()));
  await Promise.all(doors.map((one) => one.close()));
  await redis?.close();
  await mongod?.remove();
});

async function instance(): Promise<Assembly> {
  const opened = openDoor({ REDIS_URL: redis.url, DISABLE_REDIS: "true" });
  doors.push(opened);
  const made = await assemble({ mongoUrl: mongod.url, door: opened.door });
  assemblies.push(made);
  return made;
}

it("without change streams and without Redis, instances read each other's rooms again and again", async () => {
  const [one, two] = [await instance(), await instance()];
  const a = await one.tab(await one.session(await one.user("ann")));
  const b = await two.tab(await two.session(await two.user("bob")));
  await a.join("general");
  await b.join("general");
  await until(() => two.realtime.streams.get("messages")?.reason === "no replica set");
  for (let i = 0; i < 5; i++) {
    a.emit("message", { text: `from ann ${i}` });
    await b.hears("message", ({ text }) => text === `from ann ${i}`);
  }
  b.emit("message", { text: "from bob" });
  await a.hears("message", ({ text }) => text === "from bob");
  await b.hears("message", ({ text }) => text === "from bob");
  // Each came with a reading of its own, which found the former ones again.
  const heard = b.all("message").map(({ text }) => text);
  expect(heard.filter((text, i) => heard.indexOf(text) !== i)).toEqual([]);
}, 60_000);

/** A stream that a test plays, and rooms that hold what it says, or cannot be read. */
function played(stored: () => Message[] | Promise<Message[]>) {
  const state = { live: false, reason: "starting" as const, lagMs: 0 };
  let tell: (live: boolean, whole: boolean) => void = () => {};
  let reads = 0;
  const feeds: Pick<Feeds, "messages" | "messagesSince"> = {
    messages(_message, onLive) {
      tell = onLive;
      return { ...state, close: async () => {} };
    },
    async messagesSince(_rooms, since) {
      reads += 1;
      return (await stored()).filter(({ timestamp }) => timestamp >= since);
    },
  };
  return { feeds, tell: (live: boolean, whole: boolean) => tell(live, whole), reads: () => reads };
}

const said: Omit<Message, "timestamp"> = {
  id: "a",
  author: "ann",
  room: "general",
  text: "x",
  type: "public",
  target: null,
};

/** Its time is the test's. */
function follow(stored: () => Message[] | Promise<Message[]>) {
  const clock = { ms: Date.now(), now: () => clock.ms };
  const delivered: string[] = [];
  const stream = played(stored);
  const path = createSecondPath({
    feeds: stream.feeds,
    rooms: () => ["general"],
    deliver: ({ id }) => void delivered.push(id),
    clock,
    log: createRecorder(),
  });
  return { ...stream, path, clock, delivered, message: (): Message => ({ ...said, timestamp: new Date(clock.ms) }) };
}

it("reads what was stored since it followed last, once it follows afresh; and what it doubts, when a write failed", async () => {
  const message = { ...said, timestamp: new Date() };
  const { tell, reads, path, delivered } = follow(() => [message]);
  tell(true, false);
  await until(() => delivered.length === 1);
  tell(false, true);
  tell(true, true);
  const before = reads();
  path.doubt();
  await until(() => reads() > before);
  await path.close();
});

it("what it owes is not forgotten over a write that failed, nor over a stream that is lost once more", async () => {
  let readable = false;
  const stored: Message[] = [];
  const { tell, reads, path, clock, delivered, message } = follow(() => {
    if (!readable) throw new Error("MongoDB cannot be read");
    return stored;
  });
  stored.push(message());
  clock.ms += 60_000;
  tell(true, false);
  await until(() => reads() === 1);
  path.doubt();
  tell(false, true);
  path.doubt();
  readable = true;
  await until(() => delivered.length > 0);
  await path.close();
});

it("a reading that was under way before it follows afresh does not count for it", async () => {
  const stored: Message[] = [];
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { tell, reads, path, clock, delivered, message } = follow(async () => {
    const seen = [...stored];
    await held;
    return seen;
  });
  clock.ms += 60_000;
  await until(() => reads() === 1);
  stored.push(message());
  tell(true, false);
  letGo();
  await until(() => delivered.length > 0);
  await path.close();
});
