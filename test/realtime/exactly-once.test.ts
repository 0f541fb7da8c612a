import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ChatServices, Message } from "../../src/chat/services/types.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";
import { createChance } from "./random.ts";

const url = mongoUrl("exactly-once");
const room = "general";
const chance = createChance();
const soon = (most: number) => pause(chance.below(most));

let chat: Assembly;
/** Everything that was ever stored in the room. */
const stored = new Map<string, Message>();
/** How often a case fell where only care helps: stored before a snapshot was read, delivered after it. */
let betweenLegs = 0;

/** Reads and writes take their time on both sides, so that every order of store, snapshot and delivery comes up. */
function slowly(services: ChatServices): ChatServices {
  return {
    ...services,
    messages: {
      ...services.messages,
      async add(message) {
        const added = await services.messages.add(message);
        stored.set(added.id, added);
        await soon(30);
        return added;
      },
      async recent(of, reader) {
        await soon(15);
        const found = await services.messages.recent(of, reader);
        await soon(30);
        return found;
      },
    },
  };
}

/** What the shipped client shows: `history` replaces its list, everything else is appended. */
function follow(ear: Ear) {
  const shown = { list: [] as string[], oldest: undefined as string | undefined, histories: 0 };
  ear.socket.on("history", (entries: { id: string }[]) => {
    shown.list = entries.map(({ id }) => id);
    shown.oldest = shown.list[0];
    shown.histories += 1;
  });
  for (const event of ["message", "private_message"])
    ear.socket.on(event, ({ id }: { id: string }) => void shown.list.push(id));
  return shown;
}

beforeAll(async () => {
  chat = await assemble({ mongoUrl: url, around: slowly });
});
afterAll(async () => {
  await chat?.close();
  await dropDatabase(url);
});

it("shows every message once, however snapshots and deliveries cross", async () => {
  const names = Array.from({ length: 6 }, (_, i) => `reader${i}`);
  const readers = await Promise.all(
    names.map(async (name) => {
      const ear = await chat.tab(await chat.session(await chat.user(name)));
      const shown = follow(ear);
      await ear.join(room);
      return { name, ear, shown };
    }),
  );

  // As long as it takes to have met the interesting cases often enough.
  const began = Date.now();
  const enough = () => stored.size > 400 && betweenLegs > 20;
  const goesOn = () => Date.now() - began < 20_000 && !enough();
  const deliveries: Promise<void>[] = [];
  /** Another instance stores a message; word of it arrives here late, and twice. */
  async function fromElsewhere(text: string): Promise<void> {
    const target = chance.hit(0.3)
      ? { type: "private" as const, target: chance.pick(names) }
      : { type: "public" as const };
    const message = await chat.services.messages.add({ author: "elsewhere", room, text, ...target });
    stored.set(message.id, message);
    const before = readers.map(({ shown }) => shown.histories);
    await soon(120);
    if (readers.some(({ shown }, i) => shown.list.includes(message.id) && shown.histories !== before[i])) betweenLegs++;
    chat.realtime.deliver(message, "redis");
    await soon(40);
    chat.realtime.deliver(message, "redis");
  }
  const elsewhere = (async () => {
    for (let n = 0; goesOn(); n++) {
      deliveries.push(fromElsewhere(`elsewhere ${n}`));
      await soon(25);
    }
  })();
  await Promise.all(
    readers.map(async ({ name, ear }) => {
      for (let n = 0; goesOn(); n++) {
        const others = names.filter((other) => other !== name);
        const what = chance.pick(["history", "history", "join", "private", "public", "public", "public"]);
        if (what === "history") ear.emit("get_history");
        else if (what === "join") ear.emit("join_room", { room });
        else if (what === "private") ear.emit("private_message", { to: chance.pick(others), text: `psst ${n}` });
        else ear.emit("message", { text: `${name} ${n}` });
        await soon(60);
      }
    }),
  );
  await Promise.all([elsewhere]);
  await Promise.all(deliveries);

  const inOrder = () =>
    [...stored.values()].sort((a, b) => a.timestamp.getTime() - b.timestamp.getTime() || (a.id < b.id ? -1 : 1));
  function expectedOf({ name, shown }: (typeof readers)[number]): string[] {
    const mine = inOrder().filter((m) => m.type !== "private" || m.author === name || m.target === name);
    return mine.slice(mine.findIndex(({ id }) => id === shown.oldest)).map(({ id }) => id);
  }
  for (const reader of readers) {
    const complete = () => [...reader.shown.list].sort().join() === expectedOf(reader).sort().join();
    await until(complete, { timeoutMs: 15_000 }).catch(() => undefined);
    const expected = expectedOf(reader);
    const text = (id: string) => stored.get(id)?.text ?? id;
    const twice = reader.shown.list.filter((id, i, list) => list.indexOf(id) !== i).map(text);
    const missing = expected.filter((id) => !reader.shown.list.includes(id)).map(text);
    const strange = reader.shown.list.filter((id) => !expected.includes(id)).map(text);
    expect({ reader: reader.name, twice, missing, strange }).toEqual({
      reader: reader.name,
      twice: [],
      missing: [],
      strange: [],
    });
    expect(reader.shown.histories).toBeGreaterThan(2);
  }
  console.log(`${stored.size} messages, ${betweenLegs} delivered after a snapshot had shown them`);
  expect(stored.size).toBeGreaterThan(100);
  expect(betweenLegs).toBeGreaterThan(5);
}, 60_000);
