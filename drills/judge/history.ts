import type { Db } from "mongodb";

/** As the route tells them, ascending. */
export interface Told {
  readonly id: string;
  readonly text: string;
}

/**
 * What is wrong with a page of a channel's newest messages that was asked for at `asked`; shares nothing with the product.
 * It must be a run of what MongoDB has, with nothing missing that had been there for `boundMs`.
 */
export async function historyFault(db: Db, channel: string, told: readonly Told[], asked: number, boundMs: number) {
  const found = await db
    .collection("messages")
    .find({ channel, type: { $ne: "private" } })
    .sort({ timestamp: -1, _id: -1 })
    .limit(200)
    .toArray();
  const stored = found.reverse();
  const ids = stored.map(({ _id }) => String(_id));
  const isDue = (n: number) => (stored[n]?.timestamp.getTime() ?? Date.now()) < asked - boundMs;
  if (told.length === 0)
    return stored.some((_, n) => isDue(n)) ? `${channel}: nothing was told of its messages` : undefined;
  const first = ids.indexOf(told[0]?.id ?? "");
  if (first < 0) return `${channel}: ${told[0]?.id} is not among the newest`;
  let next = 0;
  for (let n = first; n < stored.length; n += 1) {
    if (told[next]?.id !== ids[n]) {
      if (isDue(n)) return `${channel}: ${ids[n]} is missing`;
      continue;
    }
    if (told[next]?.text !== stored[n]?.text) return `${channel}: ${ids[n]} was never "${told[next]?.text}"`;
    next += 1;
  }
  return next < told.length ? `${channel}: ${told[next]?.id} is told out of order, twice, or not MongoDB's` : undefined;
}
