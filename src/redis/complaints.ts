import type { Log } from "../kernel/log.ts";

const QUIET_MS = 60_000;
const MOST = 200;

/** Logs what Redis answers to a command that is wrong in itself: the first time, then at most once a minute with the count. */
export function createComplaints(log: Log, now: () => number = () => performance.now()) {
  const heard = new Map<string, { at: number; since: number }>();
  return (name: string, error: Error | undefined): void => {
    const key = `${name} ${error?.message.slice(0, 40)}`;
    const before = heard.get(key);
    if (before && now() - before.at < QUIET_MS) {
      before.since += 1;
      return;
    }
    if (!before && heard.size >= MOST) heard.clear();
    heard.set(key, { at: now(), since: 0 });
    log.error({ name, err: error, again: before?.since ?? 0 }, `the Redis call "${name}" failed`);
  };
}
