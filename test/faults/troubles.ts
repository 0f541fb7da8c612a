import { setTimeout as sleep } from "node:timers/promises";
import type { RedisCluster } from "../support/cluster.ts";
import { type FaultKit, faults } from "../support/faults.ts";
import type { RedisServer } from "../support/redis-server.ts";
import type { SentinelGroup } from "../support/sentinel.ts";

/** Something that befalls Redis. */
export interface Trouble {
  name: string;
  begin(): unknown;
  /** Redis is well when this has resolved; what begins and is over at once has none. */
  end?(): unknown;
  /** What /health/redis must say while it lasts. */
  during?: "down" | "degraded";
  /** How often it happens in the long run. */
  rounds: number;
  /** And in the short one, if not once. */
  few?: number;
  /** After Redis was used again: what the next round needs. */
  tidy?(): unknown;
}

/** What the short run leaves out, for others are much like it. */
const alike = /half-open|drip|refused|too few|no room/;
const throughTheProxy = /black hole|300 ms|half-open|drip|refused/;

export function singleServerTroubles(kit: () => FaultKit): Trouble[] {
  const server = () => kit().server;
  const listed = faults.map(
    ({ name, begin, end, during }): Trouble => ({
      name,
      begin: () => begin(kit()),
      end: () => end(kit()),
      during: during === "degraded" ? "degraded" : "down",
      rounds: throughTheProxy.test(name) ? 100 : 3,
      ...(alike.test(name) && { few: 0 }),
    }),
  );
  let lastReset = 0;
  return [
    ...listed,
    {
      name: "reset every second",
      begin() {
        lastReset = performance.now();
        kit().proxy.reset();
      },
      rounds: 100,
      few: 3,
      tidy: () => sleep(Math.max(0, lastReset + 1_000 - performance.now())),
    },
    { name: "FLUSHALL", begin: () => server().ask("FLUSHALL"), rounds: 3 },
    { name: "restarted empty", begin: () => server().restart({ keepData: false }), rounds: 3 },
  ];
}

export function sentinelTroubles(group: () => SentinelGroup): Trouble[] {
  let former: RedisServer;
  const begin = (harm: (master: RedisServer) => unknown) => async () => {
    former = await group().master();
    await harm(former);
  };
  const end = () => group().newMaster(former);
  return [
    {
      name: "sentinel failover, the master killed",
      begin: begin((master) => master.kill()),
      end,
      during: "down",
      rounds: 3,
      tidy: async () => {
        await former.start();
        await group().rejoin(former);
      },
    },
    {
      name: "sentinel failover, the master frozen",
      begin: begin((master) => master.freeze()),
      end,
      during: "down",
      rounds: 3,
      tidy: async () => {
        former.thaw();
        await group().rejoin(former);
      },
    },
  ];
}

const SLOT = 0;

export function clusterTroubles(cluster: () => RedisCluster): Trouble[] {
  let former: RedisServer;
  return [
    {
      name: "cluster failover, a master killed",
      async begin() {
        former = await cluster().masterOf(SLOT);
        await former.kill();
      },
      end: () => cluster().newMaster(SLOT, former),
      during: "down",
      rounds: 3,
      async tidy() {
        await former.start();
        await cluster().settled();
      },
    },
  ];
}
