import { readCopy } from "../copy.ts";
import { createPace } from "./pace.ts";
import type { Toolbox, ToolOptions } from "./toolbox.ts";
import { copiedIds } from "./walk.ts";

const portion = 100;

/**
 * Removes our copies of sessions that MongoDB does not know: a server of ours does not believe them, but a stock
 * connect-redis would. What somebody else's store wrote is left for the import. Answers how many went.
 */
export async function sweepCopies(box: Toolbox, { rate = 5_000, signal }: ToolOptions): Promise<number> {
  const { sessions, copies, insist } = box;
  const stop = signal ?? new AbortController().signal;
  const pace = createPace(rate, stop);
  let swept = 0;

  /** A copy that goes is never a loss: MongoDB answers. */
  async function dropOurs(id: string): Promise<number> {
    const text = await insist(() => copies.get(id));
    return text !== null && readCopy(text) ? await insist(() => copies.drop(id)) : 0;
  }

  for await (const ids of copiedIds(box, portion)) {
    if (stop.aborted) break;
    await pace(ids.length);
    const found = await sessions.find({ _id: { $in: ids } }, { projection: { _id: 1 } }).toArray();
    const known = new Set(found.map(({ _id }) => _id));
    const dropped = await Promise.all([...new Set(ids)].filter((id) => !known.has(id)).map(dropOurs));
    swept += dropped.filter((count) => count > 0).length;
  }
  return swept;
}
