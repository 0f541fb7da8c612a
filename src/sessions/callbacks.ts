import type { Deadlines } from "../kernel/deadline.ts";
import { UnavailableError } from "../kernel/errors.ts";

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

/** Answers by callback what a promise comes to: exactly once, and within the deadline whatever becomes of it. */
export function createAnswerer(deadlines: Deadlines, deadlineMs: number) {
  const line = deadlines.line();
  return function answer<T>(what: string, callback: Callback<T> | undefined, work: () => Promise<T>): void {
    let answered = false;
    const wait = line.add(deadlineMs, () => {
      if (answered) return;
      answered = true;
      call(callback, new UnavailableError(`The session store could not ${what} within ${deadlineMs} ms`));
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
      (error: unknown) => settle(error ?? new Error(`The session store could not ${what}`)),
    );
  };
}
