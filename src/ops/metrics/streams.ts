import { howToReplicate } from "../../kernel/replica-set.ts";
import type { Figure } from "../checks.ts";
import type { Theme } from "../metrics.ts";
import { gauge } from "./series.ts";

/** A follower of changes, as `watchCollection` answers it. */
export interface Stream {
  readonly live: boolean;
  readonly lagMs: number;
  /** Why it is live or not, in a word or two. */
  readonly reason: string;
}

/** The same words for all that are in the same trouble. */
function troubleOf({ reason }: Stream, streams: readonly Stream[]): string {
  if (reason === "no replica set") return `MongoDB is no replica set and tells of no changes. ${howToReplicate}`;
  const alike = streams.filter((one) => !one.live && one.reason === reason).length;
  return `${alike} of ${streams.length} change streams do not tell all changes yet (${reason})`;
}

/** The same for the health page; one that is not live says why. */
export function streamFigures(streams: ReadonlyMap<string, Stream>): Figure[] {
  const all = [...streams.values()];
  return [...streams].map(([id, stream]) => ({
    id,
    ...(Number.isFinite(stream.lagMs) && { value: Math.round(stream.lagMs), unit: "ms" }),
    ...(stream.live ? {} : { status: "warn", output: troubleOf(stream, all) }),
  }));
}

/** How far behind the followers of MongoDB's changes are. */
export function streamMetrics(streams: ReadonlyMap<string, Stream>): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_change_stream_lag_seconds",
      help: "How long ago the changes were made that have all been applied; +Inf before the first.",
      labels: { stream: [] },
      read(made) {
        for (const [stream, { lagMs }] of streams) made.set({ stream }, lagMs / 1_000);
      },
    });
    gauge({
      registry,
      name: "chat_change_stream_live",
      help: "1 while the change stream is no more than a second behind.",
      labels: { stream: [] },
      read(made) {
        for (const [stream, { live }] of streams) made.set({ stream }, live ? 1 : 0);
      },
    });
    return () => undefined;
  };
}
