import { type Browser, createBrowser } from "../../test/support/http.ts";
import { until } from "../../test/support/until.ts";
import type { Stage } from "./stage.ts";

/** Somebody who visits all the time, with so many requests at once. */
export interface Visits {
  readonly visitor: Browser;
  stop(): Promise<void>;
}

export interface VisitOptions {
  /** One after the other, and again from the first. */
  paths: readonly string[];
  /** So many requests at once. */
  many?: number;
  /** Between two of them, about. */
  pauseMs?: number;
}

export async function beginVisits(url: string, { paths, many = 1, pauseMs = 30 }: VisitOptions): Promise<Visits> {
  const visitor = createBrowser(url);
  await visitor.register(`visitor-${Math.random().toString(36).slice(2, 8)}`);
  let visiting = true;
  let at = 0;
  const ask = () => {
    at += 1;
    return visitor.get(paths[at % paths.length] ?? "/").catch(() => undefined);
  };
  // From here on it is the visits that are seen, and not their beginning.
  await Promise.all(Array.from({ length: many }, ask));
  const visits = Promise.all(
    Array.from({ length: many }, async () => {
      while (visiting) {
        await new Promise((done) => setTimeout(done, pauseMs * 2 * Math.random()));
        await ask();
      }
    }),
  );
  return {
    visitor,
    async stop() {
      visiting = false;
      await visits;
    },
  };
}

// The first page of a history is answered out of memory, for a token that was found good; with a number, the session is read.
export const readsSession = "/api/channels/general/messages?limit=20";

/** Somebody visits the first server. */
export const visit = ({ servers }: Stage, options: Partial<VisitOptions> = {}) =>
  beginVisits(servers[0]?.url ?? "", { paths: [readsSession], ...options });

const reads = 50;

/** Of the reads of a list at every server, those that did not come from MongoDB; it has to begin with one. */
export async function shareOfCaches({ servers }: Stage, timeoutMs: number): Promise<number> {
  const shares = servers.map(async ({ url }) => {
    const reader = createBrowser(url);
    await reader.register(`reader-${Math.random().toString(36).slice(2, 8)}`);
    const hit = async () => /^(l1|redis)$/.test((await reader.get("/api/channels")).headers.get("x-cache") ?? "");
    await until(hit, { timeoutMs, describe: "the caches to be used" });
    let hits = 0;
    for (let n = 0; n < reads; n += 1) hits += (await hit()) ? 1 : 0;
    return hits / reads;
  });
  return Math.min(...(await Promise.all(shares)));
}
