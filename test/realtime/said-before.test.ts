import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("said-before");
const doors: OpenedDoor[] = [];
const chats: Assembly[] = [];
let redis: RedisServer;
/** What is to be stored waits for this. */
let slow: Promise<void> | undefined;
const waiting: string[] = [];

beforeAll(async () => {
  redis = await startRedisServer();
  for (let n = 0; n < 2; n += 1) {
    const opened = openDoor({ REDIS_URL: redis.url, ...patient });
    doors.push(opened);
    await opened.is("up");
    chats.push(
      await assemble({
        mongoUrl: url,
        door: opened.door,
        around: ({ messages, ...others }) => ({
          ...others,
          messages: {
            ...messages,
            async add(message) {
              waiting.push(message.text);
              if (message.type === "private") await slow;
              return messages.add(message);
            },
          },
        }),
      }),
    );
  }
});
afterAll(async () => {
  for (const chat of chats) await chat.close();
  for (const opened of doors) await opened.close();
  await redis?.close();
  await dropDatabase(url);
});

it.each([
  ["the same instance", 0],
  ["another one", 1],
])("who has come back to %s is shown what they said in private on a connection that is gone", async (_, to) => {
  const [one, other] = [chats[0], chats[to]] as [Assembly, Assembly];
  const [ann, bob] = [await one.user(`ann-${to}`), await one.user(`bob-${to}`)];
  const { id: room } = await one.services.channels.create({ name: `room-${to}`, type: "text", createdBy: ann.id });
  const session = await one.session(ann);
  const [before, target] = [await one.tab(session), await one.tab(await one.session(bob))];
  await before.join(room);
  await target.join(room);
  let store = () => {};
  slow = new Promise((done) => (store = done));
  const text = `psst ${to}`;
  before.emit("private_message", { to: bob.nickname, text });
  await until(() => waiting.includes(text));
  before.close();
  const after = await other.tab(session);
  await after.join(room);
  store();
  await target.hears("private_message", (heard) => heard.text === text);
  const shown = await after.hears("history", (entries) =>
    entries.some((entry: { text: string }) => entry.text === text),
  );
  expect(shown.filter((entry: { text: string }) => entry.text === text)).toHaveLength(1);
  expect(after.all("private_message")).toEqual([]);
});
