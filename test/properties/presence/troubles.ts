import type { RedisServer } from "../../support/redis-server.ts";
import type { Instance } from "./instance.ts";

interface Scene {
  redis: RedisServer;
  /** The one that it happens to, where it happens to one. */
  victim: Instance;
  instances: readonly Instance[];
}

export interface Trouble {
  begin(scene: Scene): Promise<void>;
  end(scene: Scene): Promise<void>;
  /** How long it lasts. */
  ms: number;
  /** Others may rightly think that somebody is dead who is not. */
  divides?: true;
  /** The instance ends. */
  kills?: true;
}

const sets = "{cache:users:online}:servers";

/** As if the clock of Redis had been set: every lease was written by another time. */
async function shiftLeases(redis: RedisServer, ms: number): Promise<void> {
  const list = (await redis.ask("ZRANGE", sets, 0, -1, "WITHSCORES")) as string[];
  for (let i = 0; i < list.length; i += 2)
    if (Number(list[i + 1]) > 2) await redis.ask("ZINCRBY", sets, ms, String(list[i]));
}

const nothing = async () => {};

/** As when its memory is full: one key of that kind is gone. */
const evicted = (kind: string): Trouble => ({
  async begin({ redis }) {
    const [key] = ((await redis.ask("KEYS", kind)) as string[]).sort();
    if (key) await redis.ask("DEL", key);
  },
  end: nothing,
  ms: 300,
});

const restored = new WeakMap<RedisServer, () => Promise<void>>();

export const troubles: Record<string, Trouble> = {
  nothing: { begin: nothing, end: nothing, ms: 100 },
  "kill -9 of an instance": { begin: ({ victim }) => victim.crash(), end: nothing, ms: 300, kills: true },
  "one instance is cut off for long": {
    async begin({ victim }) {
      victim.proxy.set({ kind: "blackHole" });
    },
    async end({ victim }) {
      victim.proxy.set({ kind: "none" });
    },
    ms: 2_500,
    divides: true,
  },
  "one instance is cut off for a moment": {
    async begin({ victim }) {
      victim.proxy.set({ kind: "refuse" });
      victim.proxy.reset();
    },
    async end({ victim }) {
      victim.proxy.set({ kind: "none" });
    },
    ms: 300,
  },
  "Redis is frozen": {
    async begin({ redis }) {
      redis.freeze();
    },
    async end({ redis }) {
      redis.thaw();
    },
    ms: 2_000,
  },
  "Redis is killed and comes back empty": {
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.start(),
    ms: 1_500,
  },
  "Redis comes back with older data": {
    async begin({ redis }) {
      restored.set(redis, await redis.snapshot());
    },
    end: async ({ redis }) => restored.get(redis)?.(),
    ms: 1_000,
  },
  "Redis is emptied": {
    async begin({ redis }) {
      await redis.ask("FLUSHALL");
    },
    end: nothing,
    ms: 300,
  },
  "the set of all is evicted": evicted("cache:users:online"),
  "the list of servers is evicted": evicted("{cache:users:online}:servers"),
  "the numbers of the servers are evicted": evicted("{cache:users:online}:revs"),
  "one server's people are evicted": evicted("{cache:users:online}:srv:*"),
  "one server's last call is evicted": evicted("{cache:users:online}:last:*"),
  "the clock of Redis goes back an hour": {
    begin: ({ redis }) => shiftLeases(redis, 3_600_000),
    end: nothing,
    ms: 300,
  },
  "the clock of Redis goes on an hour": {
    begin: ({ redis }) => shiftLeases(redis, -3_600_000),
    end: nothing,
    ms: 300,
  },
};
