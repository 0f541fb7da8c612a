import { type Browser, createBrowser } from "../../test/support/http.ts";

/** Somebody who visits all the time, with so many requests at once. */
export interface Visits {
  readonly visitor: Browser;
  stop(): Promise<void>;
}

export async function beginVisits(url: string, path: string, many = 1): Promise<Visits> {
  const visitor = createBrowser(url);
  await visitor.register(`visitor-${Math.random().toString(36).slice(2, 8)}`);
  let visiting = true;
  const visits = Promise.all(
    Array.from({ length: many }, async () => {
      while (visiting) await visitor.get(path).catch(() => undefined);
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
