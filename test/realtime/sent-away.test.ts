import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Group, startGroup } from "../support/group.ts";
import { createNeighbours } from "../support/neighbours.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import type { Ear } from "../support/sockets.ts";

const url = mongoUrl("sent-away");
let redis: RedisServer;
let group: Group;
const { register, tab, leave } = createNeighbours(() => group);

beforeAll(async () => {
  redis = await startRedisServer();
  group = await startGroup({ count: 2, env: { MONGODB_URL: url, REDIS_URL: redis.url } });
}, 120_000);
afterAll(async () => {
  leave();
  await group?.close();
  await redis?.close();
  await dropDatabase(url);
});

/** Lines that tell of somebody, in order. */
const linesAbout = (ear: Ear, nickname: string) =>
  ear.all("message").flatMap(({ text }) => (text.startsWith(nickname) ? [text.slice(nickname.length + 1)] : []));

it("who is sent away and comes back has joined again if the room was told that they left, and only then", {
  timeout: 60_000,
}, async () => {
  const [late, prompt, watcher] = [await register(0), await register(0), await register(1)];
  const watching = await tab(watcher, 1);
  await watching.join("general");
  const tabs = [await tab(late, 0), await tab(prompt, 0)];
  for (const ear of tabs) await ear.join("general");
  for (const { nickname } of [late, prompt])
    await watching.hears("message", ({ text }) => text === `${nickname} joined the channel.`);
  watching.forget();

  const stopped = group.at(0).stop();
  for (const ear of tabs) await ear.hears("disconnect");
  await (await tab(prompt, 1)).hears("history");
  await stopped;
  const left = `${late.nickname} left the channel.`;
  await watching.hears("message", ({ text }) => text === left);
  const back = await tab(late, 1);
  await back.hears("history");
  await watching.hears("message", ({ text }) => text === `${late.nickname} joined the channel.`);
  expect(linesAbout(watching, late.nickname)).toEqual(["left the channel.", "joined the channel."]);
  expect(linesAbout(watching, prompt.nickname)).toEqual([]);
});
