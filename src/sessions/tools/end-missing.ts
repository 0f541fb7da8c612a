import { SluiceError } from "../../kernel/errors.ts";
import { createPace } from "./pace.ts";
import { endingWith, type Toolbox, type ToolOptions } from "./toolbox.ts";
import { livingIds } from "./walk.ts";

export interface EndMissingOptions extends ToolOptions {
  dryRun?: boolean;
  /** Nobody is logged out when a larger share than this has no key: then it is rather the wrong Redis, or an emptied one. */
  mostShare?: number;
}

const portion = 100;
const count = (n: number) => n.toLocaleString("en");

/**
 * Ends the sessions that have no key in Redis: while a stock connect-redis served alone, a logout took away the key and
 * MongoDB did not hear of it. True only if every session had a key before, and Redis has lost none.
 */
export async function endMissing(tools: Toolbox, options: EndMissingOptions = {}): Promise<number> {
  const { rate = 1_000, dryRun = false, mostShare = 1, onProgress, signal = new AbortController().signal } = options;
  const box = endingWith(tools, signal);
  const { sessions, copies, door, insist } = box;
  const pace = createPace(rate, signal);
  const total = await sessions.countDocuments(box.alive());

  async function without(ids: string[]): Promise<string[]> {
    const there = await Promise.all(
      ids.map((id) => insist(() => door.call("session.exists", (redis) => redis.exists(copies.keyOf(id))))),
    );
    return ids.filter((_, at) => !there[at]);
  }

  async function each(work: (missing: string[]) => Promise<unknown> | undefined): Promise<number> {
    let [done, found] = [0, 0];
    for await (const ids of livingIds(box, undefined, portion)) {
      if (signal.aborted) break;
      await pace(ids.length);
      const missing = await without(ids);
      found += missing.length;
      if (missing.length > 0) await work(missing);
      done += ids.length;
      onProgress?.({ done, total: Math.max(total, done) });
    }
    return found;
  }

  const counting = () => each(() => undefined);
  if (dryRun) return counting();
  if (mostShare < 1) {
    const missing = await counting();
    if (missing > total * mostShare)
      throw new SluiceError(
        "TOO_MANY_MISSING",
        `${count(missing)} of ${count(total)} sessions have no key in this Redis, more than ${mostShare * 100} %. Nothing was changed: ` +
          "look whether it is the Redis that connect-redis used, and whether it has lost its keys.",
      );
  }
  if (signal.aborted) return 0;
  const writeConcern = { w: "majority" } as const;
  return each((missing) => sessions.deleteMany({ _id: { $in: missing } }, { writeConcern }));
}
