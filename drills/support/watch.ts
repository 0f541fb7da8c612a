import { setTimeout as pause } from "node:timers/promises";

/** What a server says of Redis: `up`, `down`, …, or that there is no answer. */
export async function stateAt(url: string): Promise<string> {
  const answer = await fetch(`${url}/health/redis`, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
  if (!answer) return "no answer";
  const body = (await answer.json()) as { checks: Record<string, { observedValue: string }[]> };
  return body.checks["redis:state"]?.[0]?.observedValue ?? "";
}

export interface Watched {
  /** From the beginning until each server had said that Redis is not up; undefined when not all did. */
  readonly detectMs: number | undefined;
  /** From when it was mended until each server said that it is up. */
  readonly recoverMs: number | undefined;
}

/** Asks every server all the time what it knows of Redis, from the moment of a fault. */
export function watchRedis(urls: readonly string[]) {
  const since = performance.now();
  const detected = new Map<string, number>();
  const recovered = new Map<string, number>();
  let mendedAt: number | undefined;
  let over = false;
  async function follow(url: string): Promise<void> {
    while (!over && !recovered.has(url)) {
      const askedAt = performance.now();
      const state = await stateAt(url);
      if (state !== "up" && !detected.has(url)) detected.set(url, performance.now() - since);
      if (state === "up" && mendedAt !== undefined && askedAt > mendedAt)
        recovered.set(url, performance.now() - mendedAt);
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
    async end(patienceMs: number): Promise<Watched> {
      const giveUp = setTimeout(() => {
        over = true;
      }, patienceMs);
      await following;
      clearTimeout(giveUp);
      return { detectMs: last(detected), recoverMs: detected.size > 0 ? last(recovered) : undefined };
    },
  };
}
