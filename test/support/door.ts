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

/** For tests of what is right, not of how soon: a server that a busy machine holds up is in no trouble. */
export const patient = {
  REDIS_DEADLINE: "5s",
  REDIS_REQUEST_BUDGET: "8s",
  REDIS_WATCHDOG: "8s",
  REDIS_CONNECT_TIMEOUT: "8s",
};

/** The first word of a door that is held up itself while it connects. */
const SILENT = "no server has answered yet";

export interface OpenedDoor {
  door: RedisDoor;
  log: Log & { lines: LogLine[] };
  /** Every change of state. */
  changes: DoorEvents["state"][];
  /** The states in turn, but for those that only a machine too busy to connect at once adds. */
  path(): RedisState[];
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
    path: () =>
      changes.filter(({ reason }, at) => reason !== SILENT && changes[at - 1]?.reason !== SILENT).map(({ to }) => to),
    is: (...states) =>
      until(() => (states.includes(door.state) ? door.state : undefined), {
        everyMs: 5,
        timeoutMs: 15_000,
        describe: () => `state ${states.join(" or ")}, is ${door.state}: ${changes.at(-1)?.reason}`,
      }),
    close: () => door.close(),
  };
}
