import { EventEmitter } from "node:events";

export interface Events<T extends Record<string, unknown>> {
  on<K extends keyof T & string>(name: K, listener: (event: T[K]) => void): () => void;
  emit<K extends keyof T & string>(name: K, event: T[K]): void;
  count(name: keyof T & string): number;
}

/** A typed emitter whose `on` answers the way to unsubscribe. */
export function createEvents<T extends Record<string, unknown>>(): Events<T> {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    on(name, listener) {
      emitter.on(name, listener);
      return () => emitter.off(name, listener);
    },
    emit(name, event) {
      emitter.emit(name, event);
    },
    count: (name) => emitter.listenerCount(name),
  };
}
