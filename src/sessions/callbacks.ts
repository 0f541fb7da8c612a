import type { Deadlines } from "../kernel/deadline.ts";
import { messageOf, UnavailableError } from "../kernel/errors.ts";
import { isUnavailable } from "../mongo/errors.ts";

export type Callback<T> = (error: unknown, value?: T) => void;

/** A callback's own fault is the process's business, as if the store had never been there. */
export function call<T>(callback: Callback<T> | undefined, error: unknown, value?: T): void {
  try {
    if (error) callback?.(error);
    else callback?.(null, value);
  } catch (fault) {
    queueMicrotask(() => {
      throw fault;
    });
  }
}

const unable = (what: string) => `The session store could not ${what}`;
const because = (cause: unknown) => (cause ? messageOf(cause) : "MongoDB has not answered");

/** Who waits while the driver gives up connecting hears only that it has. */
const saysWhy = (error: unknown) => (error as Error).name !== "MongoTopologyClosedError";

/**
 * Answers by callback what a promise comes to: exactly once, and within the deadline whatever becomes of it. `trouble`: why
 * MongoDB gives no answer, where that is known.
 */
export function createAnswerer(deadlines: Deadlines, deadlineMs: number, trouble: () => unknown = () => undefined) {
  const line = deadlines.line();

  const late = (what: string) => `${unable(what)} within ${deadlineMs} ms: ${because(trouble())}`;

  function failure(what: string, error: unknown): unknown {
    if (error === undefined || error === null) return new Error(unable(what));
    if (!isUnavailable(error)) return error;
    const cause = saysWhy(error) ? error : (trouble() ?? error);
    return new UnavailableError(`${unable(what)}: ${because(cause)}`, { cause });
  }

  return function answer<T>(what: string, callback: Callback<T> | undefined, work: () => Promise<T>): void {
    let answered = false;
    const wait = line.add(deadlineMs, () => {
      if (answered) return;
      answered = true;
      call(callback, new UnavailableError(late(what), { cause: trouble() }));
    });
    const settle = (error: unknown, value?: T): void => {
      line.done(wait);
      if (answered) return;
      answered = true;
      call(callback, error, value);
    };
    let promise: Promise<T>;
    try {
      promise = work();
    } catch (error) {
      promise = Promise.reject(error);
    }
    promise.then(
      (value) => settle(null, value),
      (error: unknown) => settle(failure(what, error)),
    );
  };
}
