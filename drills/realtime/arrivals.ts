import type { Group } from "../../test/support/group.ts";
import { figureOf } from "../../test/support/metrics.ts";

/** How many messages have come to each instance that runs, by its address. */
export async function arrivals(group: Group, way: "redis" | "mongodb"): Promise<Map<string, number>> {
  const series = `chat_message_arrivals_total{way="${way}"}`;
  const ask = async ({ url }: { url: string }) => [url, await figureOf(url, series).catch(() => 0)] as const;
  return new Map(await Promise.all(group.instances.map(ask)));
}

/** How many more they are now, and at how many instances. */
export function since(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>) {
  const grown = [...now].map(([url, count]) => count - (before.get(url) ?? 0)).filter((more) => more > 0);
  return { sum: grown.reduce((sum, more) => sum + more, 0), instances: grown.length };
}
