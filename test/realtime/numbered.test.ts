import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const urls = [mongoUrl("numbered-0"), mongoUrl("numbered-1")];
let redis: RedisServer;
const chats: Chat[] = [];

beforeAll(async () => {
  redis = await startRedisServer();
  for (const [number, url] of urls.entries())
    chats.push(await startChat({ env: { MONGODB_URL: url, REDIS_URL: redis.url, REDIS_DB: `${number}` } }));
}, 120_000);
afterAll(async () => {
  await Promise.all(chats.map((chat) => chat.stop()));
  await redis?.close();
  for (const url of urls) await dropDatabase(url);
});

/** By its name: Redis tells everybody who listens, whichever database number they have chosen. */
async function hearers(): Promise<Record<string, number>> {
  const channels = (await redis.ask("PUBSUB", "CHANNELS")) as string[];
  const flat = (await redis.ask("PUBSUB", "NUMSUB", ...channels)) as (string | number)[];
  return Object.fromEntries(channels.map((name, at) => [name, Number(flat[2 * at + 1])]));
}

it("two chats that share a Redis by database numbers do not hear each other", async () => {
  const names = ["updates:users", "updates:channels", "updates:messages", "updates:presence", "socket.io-request#/#"];
  const both = names.flatMap((name) => [name, name.replace(/^([^-:]*(?::\w+)?)/, "$1@1")]);
  let all: Record<string, number> = {};
  await until(
    async () => {
      all = await hearers();
      return both.every((name) => name in all);
    },
    { describe: () => JSON.stringify(all) },
  );
  expect(Object.values(all).filter((many) => many !== 1)).toEqual([]);
  expect(await redis.ask("PUBSUB", "NUMPAT")).toBe(2);
});
