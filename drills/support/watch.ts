import { setTimeout as pause } from "node:timers/promises";

/** What a server says of Redis: `up`, `down`, …; undefined when it gives no answer. */
export async function stateAt(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${url}/health/redis`, { signal: AbortSignal.timeout(3_000) });
    const body = (await answer.json()) as { checks: Record<string, { observedValue: string }[]> };
    return body.checks["redis:state"]?.[0]?.observedValue;
  } catch {
    return undefined;
  }
}

export interface Watched {
  /** From the beginning until each server had said that Redis is not up; undefined when not all did. */
  readonly detectMs: number | undefined;
  /** From when it was mended until each server that had said so said that it is up; undefined when not all did both. */
  readonly recoverMs: number | undefined;
}

/** Whoever has not noticed anything so long after it was mended never will. */
const noticeMs = 3_000;

/** Asks every server all the time what it knows of Redis, from the moment of a fault. */
export function watchRedis(urls: readonly string[], patienceMs = noticeMs) {
  const since = performance.now();
  const detected = new Map<string, number>();
  const recovered = new Map<string, number>();
  let mendedAt: number | undefined;
  let over = false;
  const passed = () => mendedAt !== undefined && performance.now() > mendedAt + patienceMs;
  async function follow(url: string): Promise<void> {
    while (!over && !recovered.has(url) && (detected.has(url) || !passed())) {
      const askedAt = performance.now();
      const state = await stateAt(url);
      const told = performance.now();
      if (state !== undefined && state !== "up" && !detected.has(url)) detected.set(url, told - since);
      if (state === "up" && detected.has(url) && mendedAt !== undefined && askedAt > mendedAt)
        recovered.set(url, told - mendedAt);
      await pause(20);
    }
  }
  const following = Promise.all(urls.map(follow));
  const last = (times: ReadonlyMap<string, number>) =>
    times.size === urls.length ? Math.max(...times.values()) : undefined;
  return {
    mended(): void {
      mendedAt = performance.now();
    },
    /** When each of them uses Redis again, or after that time. */
    async end(mostMs: number): Promise<Watched> {
      const giveUp = setTimeout(() => {
        over = true;
      }, mostMs);
      await following;
      clearTimeout(giveUp);
      return { detectMs: last(detected), recoverMs: last(recovered) };
    },
  };
}
