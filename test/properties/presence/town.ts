import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import type { Member } from "../../../src/realtime/types.ts";
import type { RedisServer } from "../../support/redis-server.ts";
import { untilRight } from "../../support/until.ts";
import { type Instance, startInstance, type Told } from "./instance.ts";
import { troubles } from "./troubles.ts";

const rooms = ["general", "random", "harbour"];
/** The room of those who stay. */
const anchorage = "harbour";
const people = ["ann", "bob", "cid"];
const instancesAtOnce = 3;
/** What a lease has left at least, after a beat. */
const mostAsleepMs = 400;

export type Act =
  | { act: "open"; user: number; at: number }
  | { act: "close"; nth: number }
  | { act: "enter"; nth: number; room: number }
  | { act: "wait"; ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constant("open" as const), user: fc.nat(2), at: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("close" as const), nth: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("enter" as const), nth: fc.nat(20), room: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 500 }) }) },
);
const acts = fc.array(act, { minLength: 2, maxLength: 10 });

export interface Round {
  trouble: string;
  victim: number;
  before: Act[];
  during: Act[];
  after: Act[];
}

/** Every trouble once, in any order, each among comings and goings. */
export const rounds: fc.Arbitrary<Round[]> = fc
  .shuffledSubarray(Object.keys(troubles), { minLength: Object.keys(troubles).length })
  .chain((names) =>
    fc.tuple(
      ...names.map((trouble) =>
        fc.record({ trouble: fc.constant(trouble), victim: fc.nat(2), before: acts, during: acts, after: acts }),
      ),
    ),
  );

interface Tab {
  id: string;
  user: string;
  instance: Instance;
  room: string | undefined;
}

const memberOf = (user: string): Member => ({ userId: user, nickname: user.toUpperCase(), role: "member" });
const sorted = (list: Iterable<string>) => [...new Set(list)].sort();

/** Several instances, people with tabs on them, and what must be true of them, known without asking the product. */
export async function startTown(redis: RedisServer) {
  const told: Told[] = [];
  const tabs: Tab[] = [];
  let instances: Instance[] = [];
  let serial = 0;

  const online = () => sorted(tabs.map(({ user }) => user));
  const inRoom = (room: string) => sorted(tabs.filter((tab) => tab.room === room).map(({ user }) => user));

  /** On each instance somebody stays, as long as it lives. */
  async function addInstance(): Promise<void> {
    serial += 1;
    const skewMs = serial % 3 === 0 ? -3_600_000 : 0;
    const instance = await startInstance(`instance ${serial}`, redis.port, told, skewMs);
    instances.push(instance);
    const tab = open(`anchor ${serial}`, instance);
    tab.room = anchorage;
    void instance.presence.joined(anchorage, memberOf(tab.user), tab.id);
  }

  function open(user: string, instance: Instance): Tab {
    serial += 1;
    const tab: Tab = { id: `socket ${serial}`, user, instance, room: undefined };
    tabs.push(tab);
    instance.presence.connected(user, tab.id);
    return tab;
  }

  const movable = () => tabs.filter(({ user }) => !user.startsWith("anchor"));
  const nth = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];

  async function perform(one: Act): Promise<void> {
    if (one.act === "wait") return void (await pause(one.ms));
    if (one.act === "open") {
      const instance = nth(instances, one.at);
      if (instance) open(people[one.user] ?? "ann", instance);
      return;
    }
    const tab = nth(movable(), one.nth);
    if (!tab) return;
    const { presence } = tab.instance;
    if (one.act === "close") {
      tabs.splice(tabs.indexOf(tab), 1);
      if (tab.room) presence.left(tab.room, tab.user, tab.id, "lost");
      presence.disconnected(tab.user, tab.id);
      return;
    }
    const room = rooms[one.room] ?? "general";
    if (tab.room === room) return;
    if (tab.room) presence.left(tab.room, tab.user, tab.id, "switched");
    tab.room = room;
    void presence.joined(room, memberOf(tab.user), tab.id);
  }

  /** What is wrong now; empty when nothing is. */
  async function wrong(): Promise<string[]> {
    const found: string[] = [];
    const check = (what: string, is: string[], must: string[]) => {
      if (is.join() !== must.join()) found.push(`${what}: ${is.join()} instead of ${must.join()}`);
    };
    for (const { name, presence } of instances) {
      check(`online at ${name}`, sorted(presence.online()), online());
      for (const room of rooms) {
        if (!tabs.some((tab) => tab.room === room && tab.instance.name === name)) continue;
        const members = await presence.membersOf(room);
        check(`${room} at ${name}`, sorted(members.map(({ userId }) => userId)), inRoom(room));
        if (members.length !== inRoom(room).length) found.push(`${room} at ${name} names somebody twice`);
        for (const member of members)
          if (member.nickname !== member.userId.toUpperCase()) found.push(`${member.userId} is ${member.nickname}`);
      }
    }
    check("cache:users:online", sorted((await redis.ask("SMEMBERS", "cache:users:online")) as string[]), online());
    for (const room of rooms) {
      if (inRoom(room).length === 0) continue;
      const members = (await redis.ask("SMEMBERS", `cache:channel:users:${room}`)) as string[];
      check(`cache:channel:users:${room}`, sorted(members), inRoom(room));
    }
    for (const user of sorted(told.map(({ userId }) => userId))) {
      const count = (kind: string) => told.filter((one) => one.userId === user && one.kind === kind).length;
      const [came, went] = [count("online"), count("offline")];
      if (came - went !== (online().includes(user) ? 1 : 0)) found.push(`${user} came ${came} and went ${went} times`);
    }
    for (const user of online()) if (!told.some(({ userId }) => userId === user)) found.push(`nobody told of ${user}`);
    return found;
  }

  /** Until nothing is wrong; answers how long that took. */
  const settled = (describe: string): Promise<number> =>
    untilRight(wrong, { timeoutMs: 20_000, everyMs: 50, describe });

  /** Looks all the while whether somebody who stays is missing anywhere. */
  function watchAnchors(): () => string[] {
    const staying = tabs.filter(({ user }) => user.startsWith("anchor")).map(({ user }) => user);
    const began = told.length;
    const missing = new Set<string>();
    let looked = performance.now();
    let slept = false;
    const look = () => {
      slept ||= performance.now() - looked > mostAsleepMs;
      looked = performance.now();
      for (const { name, presence } of instances) {
        const seen = new Set(presence.online());
        for (const user of staying) if (!seen.has(user)) missing.add(`${user} was missing at ${name}`);
        void presence.membersOf(anchorage).then((members) => {
          const here = new Set(members.map(({ userId }) => userId));
          for (const user of staying) if (!here.has(user)) missing.add(`${user} was missing in the room at ${name}`);
        });
      }
    };
    const timer = setInterval(look, 10);
    return () => {
      clearInterval(timer);
      look();
      // All leases may have run out then, and who looks first rightly takes the others for dead.
      if (slept) return [];
      for (const { kind, userId, by } of told.slice(began))
        if (staying.includes(userId)) missing.add(`${userId} was told ${kind} by ${by}`);
      return [...missing];
    };
  }

  for (let i = 0; i < instancesAtOnce; i += 1) await addInstance();
  await settled("the beginning");

  return {
    told,
    /** One round; answers how long it took until all was right after the last act and the end of the trouble. */
    async play({ trouble: name, victim: at, before, during, after }: Round): Promise<number> {
      const trouble = troubles[name];
      const victim = nth(instances, at);
      if (!trouble || !victim) throw new Error(`there is no trouble "${name}"`);
      const scene = { redis, victim, instances };
      for (const one of before) await perform(one);
      if (trouble.kills) {
        // What it was just about to tell would be told by nobody.
        await settled(`before ${name}`);
        instances = instances.filter((one) => one !== victim);
        for (const tab of tabs.filter(({ instance }) => instance === victim)) tabs.splice(tabs.indexOf(tab), 1);
      }
      const anchors = trouble.divides || trouble.kills ? undefined : watchAnchors();
      await trouble.begin(scene);
      const lasts = pause(trouble.ms);
      for (const one of during) await perform(one);
      await lasts;
      await trouble.end(scene);
      if (trouble.kills) await addInstance();
      for (const one of after) await perform(one);
      const ms = await settled(`after "${name}"`);
      const missing = anchors?.() ?? [];
      if (missing.length > 0) throw new Error(`during "${name}": ${missing.join("; ")}`);
      return ms;
    },
    async close() {
      await Promise.all(instances.map((instance) => instance.crash()));
    },
  };
}
