import type { RedisState } from "../../src/redis/types.ts";
import type { TcpProxy } from "./proxy.ts";
import type { RedisServer } from "./redis-server.ts";
import { until } from "./until.ts";

/** A server, and the way to it that can be made bad. */
export interface FaultKit {
  server: RedisServer;
  proxy: TcpProxy;
}

export interface Fault {
  name: string;
  begin(kit: FaultKit): unknown;
  /** Makes Redis well again. */
  end(kit: FaultKit): unknown;
  /** What is true of Redis while it lasts. */
  during: RedisState;
  /** What the recovery stages are told of the data; not asked when no connection is lost. */
  sameData?: boolean;
}

/** Every trouble that one server can be in, by name. */
export const faults: Fault[] = [
  {
    name: "killed, and back with its data",
    begin: async ({ server }) => {
      await server.ask("SAVE");
      await server.kill();
    },
    end: ({ server }) => server.start(),
    during: "down",
    sameData: false,
  },
  {
    name: "killed, and back empty",
    begin: ({ server }) => server.kill(),
    end: ({ server }) => server.start(),
    during: "down",
    sameData: false,
  },
  {
    name: "frozen (SIGSTOP)",
    begin: ({ server }) => server.freeze(),
    end: ({ server }) => server.thaw(),
    during: "down",
    sameData: true,
  },
  {
    name: "black hole",
    begin: ({ proxy }) => proxy.set({ kind: "blackHole" }),
    end: ({ proxy }) => proxy.set({ kind: "none" }),
    during: "down",
    sameData: true,
  },
  {
    name: "half-open connections",
    begin: ({ proxy }) => proxy.set({ kind: "halfOpen" }),
    end: ({ proxy }) => proxy.set({ kind: "none" }),
    during: "down",
    sameData: true,
  },
  {
    name: "300 ms later than asked",
    begin: ({ proxy }) => proxy.set({ kind: "latency", ms: 300 }),
    end: ({ proxy }) => proxy.set({ kind: "none" }),
    during: "down",
    sameData: true,
  },
  {
    name: "slow drip",
    begin: ({ proxy }) => proxy.set({ kind: "drip", bytes: 1, everyMs: 60 }),
    end: ({ proxy }) => proxy.set({ kind: "none" }),
    during: "down",
    sameData: true,
  },
  {
    name: "every connection refused",
    begin: ({ proxy }) => {
      proxy.set({ kind: "refuse" });
      proxy.reset();
    },
    end: ({ proxy }) => proxy.set({ kind: "none" }),
    during: "down",
    sameData: true,
  },
  {
    name: "memory full",
    begin: ({ server }) => server.fill(),
    end: ({ server }) => server.relieve(),
    during: "degraded",
  },
  {
    name: "a read-only replica",
    begin: ({ server }) => server.makeReplica(),
    end: ({ server }) => server.makeMaster(),
    during: "degraded",
  },
  {
    name: "too few replicas",
    begin: ({ server }) => server.ask("CONFIG", "SET", "min-replicas-to-write", "1"),
    end: ({ server }) => server.ask("CONFIG", "SET", "min-replicas-to-write", "0"),
    during: "degraded",
  },
  {
    name: "another password",
    begin: async ({ server, proxy }) => {
      await server.setPassword("other");
      proxy.reset();
    },
    end: ({ server }) => server.setPassword(""),
    during: "down",
    sameData: true,
  },
  {
    name: "no room for connections",
    begin: async ({ server, proxy }) => {
      await server.ask("CONFIG", "SET", "maxclients", "1");
      proxy.reset();
    },
    // Between two attempts of the door there is room for one who asks.
    end: ({ server }) => until(() => server.ask("CONFIG", "SET", "maxclients", "100"), { everyMs: 2 }),
    during: "down",
    sameData: true,
  },
];
