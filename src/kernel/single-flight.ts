/** Who asks later than this after something was begun is not served by it: what it found may be that old. */
export const sharedMs = 250;

export interface SingleFlight<T> {
  ask(key: string, load: () => Promise<T>): Promise<T>;
  /** What is under way serves those who wait for it, and nobody else. */
  forget(key: string): void;
}

interface Flight<T> {
  readonly since: number;
  readonly result: Promise<T>;
  next?: Promise<T>;
}

/**
 * Callers that ask for the same key while one is under way share its answer, if it began a moment ago; those who come later
 * share the next, which begins when it has ended: nobody is told what was so long before they asked, and two are under way
 * only where one was forgotten. What fails, fails for all who wait for it.
 */
export function createSingleFlight<T>(shared = sharedMs): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();

  function ask(key: string, load: () => Promise<T>): Promise<T> {
    const now = performance.now();
    const flying = flights.get(key);
    if (!flying) {
      const result = load().finally(() => {
        if (flights.get(key) === begun) flights.delete(key);
      });
      const begun: Flight<T> = { since: now, result };
      flights.set(key, begun);
      return result;
    }
    if (now - flying.since <= shared) return flying.result;
    // Whatever is under way by then began after all of these had asked.
    flying.next ??= flying.result.then(() => flights.get(key)?.result ?? ask(key, load));
    return flying.next;
  }
  return { ask, forget: (key) => void flights.delete(key) };
}
