/** Why a signal of `withLimit` was aborted when it was for its own time. */
export const late = Symbol("late");

/** Runs `work` with a signal of its own, which is aborted when `ms` are over or `parent` is aborted; nothing lingers. */
export async function withLimit<T>(
  ms: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const abort = () => own.abort();
  const timer = setTimeout(() => own.abort(late), ms);
  parent.addEventListener("abort", abort, { once: true });
  if (parent.aborted) abort();
  try {
    return await work(own.signal);
  } finally {
    clearTimeout(timer);
    parent.removeEventListener("abort", abort);
  }
}
