import { type RedisCluster, startRedisCluster } from "../support/cluster.ts";
import type { FaultKit } from "../support/faults.ts";
import { startProxy } from "../support/proxy.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { type SentinelGroup, startSentinelGroup } from "../support/sentinel.ts";
import { ordeal } from "./ordeal.ts";
import { clusterTroubles, sentinelTroubles, singleServerTroubles } from "./troubles.ts";

let kit: FaultKit;
ordeal({
  title: "one Redis server",
  async redis() {
    const server = await startRedisServer();
    kit = { server, proxy: await startProxy(server.port) };
    await server.kill();
    return { REDIS_URL: `redis://127.0.0.1:${kit.proxy.port}` };
  },
  begin: () => kit.server.start(),
  troubles: singleServerTroubles(() => kit),
  close: async () => {
    await kit?.proxy.close();
    await kit?.server.close();
  },
});

let group: SentinelGroup;
ordeal({
  title: "Redis over sentinels",
  async redis() {
    group = await startSentinelGroup();
    return { REDIS_SENTINEL: group.address };
  },
  troubles: sentinelTroubles(() => group),
  close: () => group?.close(),
});

let cluster: RedisCluster;
ordeal({
  title: "a Redis cluster",
  async redis() {
    cluster = await startRedisCluster();
    return { REDIS_CLUSTER: cluster.address };
  },
  troubles: clusterTroubles(() => cluster),
  close: () => cluster?.close(),
});
