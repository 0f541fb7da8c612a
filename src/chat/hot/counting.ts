import type { Allowance, Limiter } from "../../kernel/limiter.ts";

/**
 * Counts what is served from memory without asking anybody for each request: what one user asks within a moment is told to
 * the limiter at once. Near the limit every request is counted by itself.
 */
export interface Counting {
  /** The allowance after this request, at once where that is possible. */
  consume(key: string): Allowance | Promise<Allowance>;
  close(): Promise<void>;
}

export interface CountingOptions {
  limiter: Limiter;
  /** Told at least this often. */
  everyMs?: number;
  now?: () => number;
}

interface Count {
  last: Allowance;
  at: number;
  /** Served, and not told yet. */
  untold: number;
  /** Being told now. */
  telling: number;
}

/** So much of the limit one instance may serve without having told of it. */
const untoldPart = 1 / 20;
/** With so little of the limit left, nothing is served untold. */
const exactPart = 1 / 5;

export function createCounting({ limiter, everyMs = 1_000, now = () => performance.now() }: CountingOptions): Counting {
  const counts = new Map<string, Count>();

  function take(key: string, last: Allowance): Allowance {
    // Others may have been served meanwhile.
    const count = counts.get(key);
    if (count) Object.assign(count, { last, at: now() });
    else counts.set(key, { last, at: now(), untold: 0, telling: 0 });
    return last;
  }

  async function tell(key: string, count: Count): Promise<void> {
    const { untold } = count;
    if (untold === 0 || count.telling > 0) return;
    count.telling = untold;
    count.untold = 0;
    count.last = await limiter.consume(key, untold);
    count.at = now();
    count.telling = 0;
  }

  function asOf({ last, untold, telling, at }: Count, time: number): Allowance {
    const remaining = Math.max(0, last.remaining - untold - telling);
    return { ...last, remaining, resetSeconds: Math.max(0, last.resetSeconds - (time - at) / 1_000) };
  }

  const timer = setInterval(() => {
    const idle = now() - everyMs * 2;
    for (const [key, count] of counts) {
      if (count.untold > 0) void tell(key, count);
      else if (count.at < idle && count.telling === 0) counts.delete(key);
    }
  }, everyMs);
  timer.unref();

  return {
    consume(key) {
      const count = counts.get(key);
      const time = now();
      const known = count && asOf(count, time);
      const unsure = !count || !known || known.remaining <= count.last.limit * exactPart || known.resetSeconds === 0;
      if (unsure) {
        const untold = count?.untold ?? 0;
        if (count) count.untold = 0;
        return limiter.consume(key, untold + 1).then((allowance) => take(key, allowance));
      }
      count.untold += 1;
      if (count.untold >= Math.max(1, count.last.limit * untoldPart)) void tell(key, count);
      return { ...known, remaining: known.remaining - 1 };
    },
    async close() {
      clearInterval(timer);
      await Promise.all([...counts].map(([key, count]) => tell(key, count)));
    },
  };
}
