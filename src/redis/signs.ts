import type { RecoverySigns } from "./types.ts";

/** What tells one server and its data from another, read in one round trip. */
export interface ServerSigns {
  readonly canaryKey: string;
  readonly runId: string;
  readonly role: string;
  /** Planted once in empty data; null when it is gone. */
  readonly canary: string | null;
  /** Goes up with every heartbeat of every instance: an older snapshot has a lower one. `before`: our own. */
  readonly count: number;
  readonly before: number;
}

export type Info = Readonly<Record<string, string>>;

export function parseInfo(text: string): Info {
  const pairs = text
    .split("\r\n")
    .filter((line) => line.includes(":"))
    .map((line): [string, string] => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1)];
    });
  return Object.fromEntries(pairs);
}

type Canary = Pick<ServerSigns, "canary" | "count" | "before">;

export function signsFrom(canaryKey: string, info: Info, canary: Canary): ServerSigns {
  return {
    canaryKey,
    runId: info.run_id ?? "",
    role: info.role ?? "",
    ...canary,
  };
}

/** Why the data cannot be what it was, in words; undefined while everything is as known. */
export function difference(known: ServerSigns, now: Canary & { runId: string }): string | undefined {
  if (known.runId !== now.runId) return "another Redis server answers now";
  if (known.canary !== now.canary)
    return now.canary === null ? "Redis was emptied" : "Redis was emptied and filled anew";
  if (now.before < known.count) return "Redis holds older data than before";
  return undefined;
}

/** What came back, compared with what was there at the last heartbeat. */
export function compare(known: readonly ServerSigns[], now: readonly ServerSigns[]): RecoverySigns {
  const same = (one: ServerSigns) =>
    known.some(
      (other) =>
        other.runId === one.runId && (other.canaryKey !== one.canaryKey || difference(other, one) === undefined),
    );
  return { sameData: known.length > 0 && known.length <= now.length && now.every(same) };
}
