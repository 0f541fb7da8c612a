import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keysOf } from "../../src/realtime/presence/keys.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import type { Ear } from "../support/sockets.ts";
import { untilRight } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";
import { createChance } from "./random.ts";

const url = mongoUrl("presence-evictions");
const [online, room, voice] = ["cache:users:online", "cache:channel:users:general", "cache:channel:voice:voice-chat"];
const bases = [online, room, voice] as const;
const chance = createChance();
const chats: Assembly[] = [];
const doors: OpenedDoor[] = [];
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedisServer();
  for (let at = 0; at < 2; at += 1) {
    const opened = openDoor({ REDIS_URL: redis.url, ...patient });
    doors.push(opened);
    await opened.is("up");
    chats.push(await assemble({ mongoUrl: url, door: opened.door }));
  }
});
afterAll(async () => {
  for (const chat of chats) await chat.close();
  for (const opened of doors) await opened.close();
  await redis?.close();
  await dropDatabase(url);
});

interface Person {
  id: string;
  nickname: string;
  session: { cookie: string; csrfToken: string };
}

interface Tab {
  who: Person;
  ear: Ear;
}

const sorted = (list: Iterable<string>) => [...new Set(list)].sort();
const strings = async (...command: string[]) => sorted((await redis.ask(...command)) as string[]);

async function person(nickname: string): Promise<Person> {
  const chat = chats[0] as Assembly;
  const { id } = await chat.user(nickname);
  return { id, nickname, session: await chat.session({ id, nickname }) };
}

it("each key of presence may be evicted at any moment: the lists are soon right again, and so are the statuses", {
  timeout: 240_000,
}, async () => {
  const tabs: Tab[] = [];
  const nameless: string[] = [];

  async function arrive(who: Person, at: number): Promise<void> {
    const ear = await (chats[at] as Assembly).tab(who.session);
    ear.socket.on("online_users", (list: { nickname: string }[]) => {
      if (list.some(({ nickname }) => !nickname)) nameless.push(`${who.nickname} was sent ${JSON.stringify(list)}`);
    });
    tabs.push({ who, ear });
    await ear.join("general");
    ear.emit("join_voice_channel", { channelId: "voice-chat" });
    await ear.hears("voice_joined");
  }

  /** What is wrong now, in Redis, in MongoDB and before people's eyes. */
  async function wrong(): Promise<string[]> {
    const found: string[] = [];
    const check = (what: string, is: string[], must: string[]) => {
      if (is.join() !== must.join()) found.push(`${what}: ${is.join()} instead of ${must.join()}`);
    };
    const ids = sorted(tabs.map(({ who }) => who.id));
    const sockets = sorted(tabs.map(({ ear }) => ear.socket.id ?? ""));
    const names = sorted(tabs.map(({ who }) => who.nickname));
    for (const base of bases) {
      const must = base === voice ? sockets : ids;
      const { shared, profiles, servers, revs, owns, lasts } = keysOf(base);
      check(shared, await strings("SMEMBERS", shared), must);
      if (base !== online) check(profiles, await strings("HKEYS", profiles), must);
      const owners = (await strings("KEYS", `${owns}*`)).map((key) => key.slice(owns.length));
      if (owners.length !== 2) found.push(`${owners.length} servers have somebody in ${base}`);
      for (const [what, is] of [
        [servers, await strings("ZRANGEBYSCORE", servers, "3", "+inf")],
        [revs, await strings("HKEYS", revs)],
        [`${lasts}*`, (await strings("KEYS", `${lasts}*`)).map((key) => key.slice(lasts.length))],
      ] as const)
        check(what, is, owners);
      check(`${owns}*`, owners.length > 0 ? await strings("SUNION", ...owners.map((one) => owns + one)) : [], must);
    }
    const users = await (chats[0] as Assembly).services.users.list();
    check("status", sorted(users.flatMap((one) => (one.status === "online" ? one.nickname : []))), names);
    for (const { who, ear } of tabs) {
      const seen = (ear.all("online_users").at(-1) ?? []) as { nickname: string }[];
      check(`the list that ${who.nickname} sees`, sorted(seen.map(({ nickname }) => nickname)), names);
    }
    return found;
  }

  const settled = async (after: string): Promise<number> =>
    Math.round(await untilRight(wrong, { timeoutMs: 15_000, describe: `all to be right after ${after}` }));

  /** Those who stay keep each key in being. */
  for (const at of [0, 1]) await arrive(await person(`stays-${at}`), at);
  const visitors = await Promise.all(Array.from({ length: 4 }, (_, n) => person(`visitor-${n}`)));
  await settled("the beginning");

  async function comeOrGo(): Promise<void> {
    const goes = chance.pick(tabs.filter(({ who }) => visitors.includes(who)));
    if (!goes || chance.hit(0.5)) return arrive(chance.pick(visitors), chance.below(2));
    tabs.splice(tabs.indexOf(goes), 1);
    goes.ear.close();
  }

  const part = /^\{(.*)\}:(servers|revs|profiles|srv:.*|last:.*)$/;
  const ofPresence = (key: string) => bases.some((base) => key === base || part.exec(key)?.[1] === base);
  const keys = (await strings("KEYS", "*")).filter(ofPresence);
  expect(keys.length).toBe(7 + 8 * 2);
  let longest = [0, ""] as [number, string];
  for (const key of keys) {
    const evicting = pause(chance.below(300)).then(() => redis.ask("DEL", key));
    for (let n = 1 + chance.below(4); n > 0; n -= 1) await comeOrGo();
    expect(await evicting).toBe(1);
    for (let n = chance.below(3); n > 0; n -= 1) await comeOrGo();
    const ms = await settled(`the eviction of ${key}`);
    if (ms > longest[0]) longest = [ms, key];
  }
  console.log(`${keys.length} keys evicted; right again after at most ${longest[0]} ms, that of ${longest[1]}`);
  expect(nameless).toEqual([]);
});
