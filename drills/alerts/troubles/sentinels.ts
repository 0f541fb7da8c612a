import type { SentinelStage } from "../stages.ts";
import type { Trouble } from "../trouble.ts";

export const sentinelTroubles: readonly Trouble<SentinelStage>[] = [
  {
    alert: "SentinelQuorumLost",
    name: "two of three sentinels are killed",
    cause: async ({ sentinels }) => {
      await Promise.all(sentinels.slice(1).map((one) => one.kill()));
      return undefined;
    },
    named: /Redis has 1 of 3 sentinels, which would not agree on a new master/,
    shown: /Redis has 1 of 3 sentinels, which would not agree on a new master/,
  },
  {
    alert: "ReplicationBroken",
    name: "a replica is killed",
    cause: async ({ replicas }) => {
      await replicas[0]?.kill();
      return undefined;
    },
    named: /Redis has 1 of 2 replicas/,
    shown: /Redis has 1 of 2 replicas/,
  },
];
