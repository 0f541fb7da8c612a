import { createPace } from "./pace.ts";
import type { Toolbox, ToolOptions } from "./toolbox.ts";
import { livingIds } from "./walk.ts";

const portion = 100;

/**
 * Ends the sessions that have no key in Redis: while a stock connect-redis served alone, a logout took away the key and
 * MongoDB did not hear of it. True only if every session had a key before, and Redis has lost none.
 */
export async function endMissing(box: Toolbox, options: ToolOptions & { dryRun?: boolean } = {}): Promise<number> {
  const { rate = 1_000, dryRun = false, onProgress, signal = new AbortController().signal } = options;
  const { sessions, copies, door, insist } = box;
  const pace = createPace(rate, signal);
  const total = await sessions.countDocuments(box.alive());
  let [done, ended] = [0, 0];
  for await (const ids of livingIds(box, undefined, portion)) {
    if (signal.aborted) break;
    await pace(ids.length);
    const there = await Promise.all(
      ids.map((id) => insist(() => door.call("session.exists", (redis) => redis.exists(copies.keyOf(id))))),
    );
    const missing = ids.filter((_, at) => !there[at]);
    if (!dryRun && missing.length > 0)
      await sessions.deleteMany({ _id: { $in: missing } }, { writeConcern: { w: "majority" } });
    ended += missing.length;
    done += ids.length;
    onProgress?.({ done, total: Math.max(total, done) });
  }
  return ended;
}
