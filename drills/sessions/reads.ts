import type { Chat } from "../../test/support/chat.ts";
import { figuresOf } from "../../test/support/metrics.ts";

/** What the servers counted of their reads of sessions, all together. */
export interface Reads {
  /** Answered by Redis. */
  readonly redis: number;
  /** In the bucket, and answered by MongoDB all the same. */
  readonly bucketByMongo: number;
  /** Those that found a session: of the others nobody knows whether they were in the bucket. */
  readonly found: number;
  /** Why MongoDB answered in the bucket. */
  readonly why: Readonly<Record<string, number>>;
}

type Counted = Omit<Reads, "bucketByMongo">;

async function readsOf({ url }: Pick<Chat, "url">): Promise<Counted> {
  const figures = await figuresOf(url);
  let [redis, missed, found] = [0, 0, 0];
  for (const { labels, value } of figures.all("chat_session_operations_total")) {
    const { op, store, result = "" } = labels;
    if (op !== "get") continue;
    if (["hit", "miss"].includes(result)) found += value;
    if (store === "redis") redis += value;
    else if (result === "miss") missed += value;
  }
  const fallbacks = figures
    .all("chat_session_fallbacks_total")
    .map(({ labels: { reason = "" }, value }) => [reason, value] as const);
  return { redis, found, why: { miss: missed, ...Object.fromEntries(fallbacks) } };
}

/** The second less the first. */
export function between(before: Counted, after: Counted): Reads {
  const reasons = Object.entries(after.why).map(([name, sum]) => [name, sum - (before.why[name] ?? 0)] as const);
  const why = Object.fromEntries(reasons.filter(([, sum]) => sum > 0));
  const bucketByMongo = Object.values(why).reduce((total, sum) => total + sum, 0);
  return { redis: after.redis - before.redis, found: after.found - before.found, bucketByMongo, why };
}

export async function countReads(servers: readonly Pick<Chat, "url">[]): Promise<Counted> {
  const counts = await Promise.all(servers.map(readsOf));
  const sum = (of: (reads: Counted) => number) => counts.reduce((total, reads) => total + of(reads), 0);
  const reasons = Object.keys(counts[0]?.why ?? {});
  const why = Object.fromEntries(reasons.map((name) => [name, sum((reads) => reads.why[name] ?? 0)]));
  return { redis: sum(({ redis }) => redis), found: sum(({ found }) => found), why };
}

export const inBucket = ({ redis, bucketByMongo }: Reads): number => redis + bucketByMongo;

/** Of the reads in the bucket, those that Redis answered; nothing when there were none. */
export const shareOfRedis = (reads: Reads): number => (inBucket(reads) === 0 ? 0 : reads.redis / inBucket(reads));
