import { AsyncLocalStorage } from "node:async_hooks";

/** What one request has waited so far; waits that overlap count once. `now`: the milliseconds of who measures. */
export interface Budget {
  /** Milliseconds of `limitMs` that are left. */
  left(limitMs: number, now: number): number;
  begin(now: number): void;
  end(now: number): void;
}

const requests = new AsyncLocalStorage<Budget | undefined>();

function createBudget(): Budget {
  let spent = 0;
  let waiting = 0;
  let since = 0;
  return {
    left: (limitMs, now) => limitMs - spent - (waiting > 0 ? now - since : 0),
    begin(now) {
      if (waiting === 0) since = now;
      waiting += 1;
    },
    end(now) {
      waiting -= 1;
      if (waiting === 0) spent += now - since;
    },
  };
}

/** Runs `request`; everything it awaits shares one budget. Within another one, it shares that. */
export function withBudget<T>(request: () => T): T {
  return requests.getStore() ? request() : requests.run(createBudget(), request);
}

/** For what must be done however long the request has waited already; it has its own deadlines. */
export function withoutBudget<T>(work: () => T): T {
  return requests.getStore() ? requests.run(undefined, work) : work();
}

/** The budget of the request that runs now; none outside of one. */
export const currentBudget = (): Budget | undefined => requests.getStore();
