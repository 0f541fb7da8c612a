import type { ChangeStreamDocument, Collection, Document } from "mongodb";
import type { Log } from "../../src/kernel/log.ts";
import type { WatchCollection, Watcher, WatchOptions } from "../../src/mongo/watch.ts";

/** A follower whose changes, by their ids, and states can be looked at. */
export function followed<T extends Document & { _id: number }>(
  watch: WatchCollection,
  collection: Collection<T>,
  log: Log,
  more: Partial<WatchOptions<T>> = {},
): { watcher: Watcher; seen: number[]; states: string[] } {
  const seen: number[] = [];
  const states: string[] = [];
  const watcher = watch<T>({
    collection,
    onChange: (change) => void seen.push(idOf(change)),
    onLive: (live, reason) => void states.push(`${live}: ${reason}`),
    log,
    ...more,
  });
  return { watcher, seen, states };
}

export const idOf = <T extends Document & { _id: number }>(change: ChangeStreamDocument<T>): number =>
  "documentKey" in change ? (change.documentKey._id as number) : -1;
