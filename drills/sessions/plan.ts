import { setTimeout as pause } from "node:timers/promises";
import type { RedisServer } from "../../test/support/redis-server.ts";

/** All is well; most of the bucket's reads must be answered by Redis. */
export interface Healthy {
  readonly kind: "healthy";
  readonly percent: number;
  readonly seconds: number;
  /** Redis' state of now is remembered for later. */
  readonly remember?: boolean;
}

/** Something is done to Redis, and the dial is turned meanwhile. */
interface Fault {
  readonly kind: "fault";
  readonly name: string;
  readonly to: number;
  readonly interrupts?: boolean;
  act(stage: FaultStage): Promise<void>;
}

/** A server is taken out, ends, and comes back: what a deployment does to each in turn. */
interface Restart {
  readonly kind: "restart";
  readonly index: number;
  readonly percent: number;
}

export type Phase = Healthy | Fault | Restart;

interface FaultStage {
  readonly redis: RedisServer;
  turn(): Promise<void>;
  /** Restarts Redis with what was remembered. */
  restore(): Promise<void>;
  /** From now on Redis could be used again. */
  mended(): void;
}

export interface Durations {
  readonly healthySeconds: number;
  /** How long Redis stays as it is made, before and after the dial is turned. */
  readonly faultSeconds: number;
}

function phases({ healthySeconds: seconds, faultSeconds }: Durations) {
  const wait = () => pause(faultSeconds * 1_000);
  return {
    healthy: (percent: number, remember = false): Healthy => ({ kind: "healthy", percent, seconds, remember }),
    killed: (to: number): Fault => ({
      kind: "fault",
      name: "killed, and started anew",
      interrupts: true,
      to,
      async act({ redis, turn, mended }) {
        await redis.kill();
        await wait();
        await turn();
        await wait();
        await redis.start();
        mended();
      },
    }),
    frozen: (to: number): Fault => ({
      kind: "fault",
      name: "frozen, and thawed",
      interrupts: true,
      to,
      async act({ redis, turn, mended }) {
        redis.freeze();
        await wait();
        await turn();
        await wait();
        redis.thaw();
        mended();
      },
    }),
    flushed: (to: number): Fault => ({
      kind: "fault",
      name: "flushed",
      to,
      async act({ redis, turn, mended }) {
        await redis.ask("FLUSHALL");
        mended();
        await turn();
        await wait();
      },
    }),
    restored: (to: number): Fault => ({
      kind: "fault",
      name: "restarted with an old state",
      to,
      async act({ restore, turn, mended }) {
        await Promise.all([restore().then(mended), turn()]);
        await wait();
      },
    }),
    frozenThenKilled: (to: number): Fault => ({
      kind: "fault",
      name: "frozen, and killed",
      interrupts: true,
      to,
      async act({ redis, turn, mended }) {
        redis.freeze();
        await wait();
        await turn();
        await redis.kill();
        await redis.start();
        mended();
      },
    }),
  };
}

/** 0 → 10 → 50 → 100 → 50 → 0, with a fault of Redis at each turn. */
export function wholePlan(durations: Durations): Phase[] {
  const { healthy, killed, frozen, flushed, restored, frozenThenKilled } = phases(durations);
  return [
    healthy(0),
    healthy(10),
    killed(50),
    healthy(50),
    frozen(100),
    flushed(100),
    healthy(100, true),
    restored(50),
    healthy(50),
    frozenThenKilled(0),
    healthy(0),
  ];
}

/** The turns that are worst. */
export function shortPlan(durations: Durations): Phase[] {
  const { healthy, frozen, restored } = phases(durations);
  return [frozen(100), healthy(100, true), restored(50), healthy(0)];
}

/** Each server anew, one after the other, at half of the dial. */
export function rollingPlan(durations: Durations): Phase[] {
  const { healthy } = phases(durations);
  const restarts = [0, 1, 2].map((index): Restart => ({ kind: "restart", index, percent: 50 }));
  return [healthy(50), ...restarts, healthy(50)];
}
