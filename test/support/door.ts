import { loadConfig } from "../../src/config/load.ts";
import type { Log } from "../../src/kernel/log.ts";
import { createRedisDoor } from "../../src/redis/door.ts";
import type { DoorEvents, RecoverySigns, RedisDoor, RedisState } from "../../src/redis/types.ts";
import { until } from "./until.ts";

export interface LogLine {
  level: keyof Log;
  message: string;
  fields: Record<string, unknown>;
}

/** A log that a test can read. */
export function recorder(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const line = (level: keyof Log) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as Record<string, unknown> });
  return { lines, debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

export interface OpenedDoor {
  door: RedisDoor;
  log: { lines: LogLine[] };
  /** Every change of state. */
  changes: DoorEvents["state"][];
  /** What the recovery stage of the test was told, newest last. */
  signs: RecoverySigns[];
  /** Until the state is one of these. */
  is(...states: RedisState[]): Promise<RedisState>;
  close(): Promise<void>;
}

/** The product's door with the environment given, started; whoever opens it closes it. */
export function openDoor(env: Record<string, string>, { start = true } = {}): OpenedDoor {
  const log = recorder();
  const door = createRedisDoor({ config: loadConfig({ NODE_ENV: "test", ...env }), log });
  const changes: DoorEvents["state"][] = [];
  const signs: RecoverySigns[] = [];
  door.events.on("state", (change) => changes.push(change));
  door.onRecovery({ name: "the test's", order: 0, run: async (seen) => void signs.push(seen) });
  if (start) door.start();
  return {
    door,
    log,
    changes,
    signs,
    is: (...states) =>
      until(() => (states.includes(door.state) ? door.state : undefined), {
        everyMs: 5,
        timeoutMs: 15_000,
        describe: () => `state ${states.join(" or ")}, is ${door.state}: ${changes.at(-1)?.reason}`,
      }),
    close: () => door.close(),
  };
}
