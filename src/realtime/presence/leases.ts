import { score as marks } from "./keys.ts";

interface Lease {
  score: number;
  /** Since when this score was seen, by the clock of this process, which never jumps. */
  since: number;
}

/**
 * The leases of the other servers. A server is dead when its lease has run out by the time of Redis and has not moved for
 * most of one by our own, or for all of one by our own alone: whatever a clock does, who beats is alive.
 */
export interface Leases {
  see(server: string, score: number): void;
  forget(server: string): void;
  /** Nothing could be seen lately: everybody gets one more lease. */
  restart(): void;
  servers(): string[];
  /** Those who beat. */
  alive(): string[];
  leaving(): string[];
  get(server: string): Lease | undefined;
  /** `redisNow`: the time of Redis at the last look. */
  dead(redisNow: number): string[];
}

export interface LeaseTimes {
  leaseMs: number;
  beatMs: number;
  graceMs: number;
}

export function createLeases({ leaseMs, beatMs, graceMs }: LeaseTimes): Leases {
  const leases = new Map<string, Lease>();

  function isDead({ score, since }: Lease, redisNow: number): boolean {
    const still = performance.now() - since;
    if (score === marks.leaving) return still >= graceMs;
    if (still >= leaseMs) return true;
    return score > marks.reaping && redisNow > score && still >= leaseMs - beatMs;
  }

  return {
    see(server, score) {
      if (leases.get(server)?.score !== score) leases.set(server, { score, since: performance.now() });
    },
    forget: (server) => void leases.delete(server),
    restart() {
      for (const lease of leases.values()) lease.since = performance.now();
    },
    servers: () => [...leases.keys()],
    alive: () => [...leases].filter(([, { score }]) => score > marks.reaping).map(([server]) => server),
    leaving: () => [...leases].filter(([, { score }]) => score === marks.leaving).map(([server]) => server),
    get: (server) => leases.get(server),
    dead: (redisNow) => [...leases].filter(([, lease]) => isDead(lease, redisNow)).map(([server]) => server),
  };
}
