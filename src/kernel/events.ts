export interface Events<T extends Record<string, unknown>> {
  on<K extends keyof T & string>(name: K, listener: (event: T[K]) => void): () => void;
  /** Listeners are told in the order of their coming; what one throws reaches who emits, and those after it hear nothing. */
  emit<K extends keyof T & string>(name: K, event: T[K]): void;
  count(name: keyof T & string): number;
}

type Listener = (event: never) => void;

/** A typed emitter whose `on` answers the way to unsubscribe; on hot paths, so it does no more than that. */
export function createEvents<T extends Record<string, unknown>>(): Events<T> {
  // Lists are replaced, never changed: whoever comes or goes during an event does so after it.
  const listeners = new Map<string, readonly Listener[]>();
  return {
    on(name, listener) {
      const own: Listener = (event) => listener(event);
      listeners.set(name, [...(listeners.get(name) ?? []), own]);
      return () => {
        const left = (listeners.get(name) ?? []).filter((one) => one !== own);
        listeners.set(name, left);
      };
    },
    emit(name, event) {
      const told = listeners.get(name);
      if (told === undefined) return;
      for (let at = 0; at < told.length; at++) told[at]?.(event as never);
    },
    count: (name) => listeners.get(name)?.length ?? 0,
  };
}
