import mongoose from "mongoose";
import { UnavailableError } from "../kernel/errors.ts";

const {
  AbstractCursor,
  Admin,
  Collection,
  Db: Database,
  OrderedBulkOperation,
  UnorderedBulkOperation,
} = mongoose.mongo;
const leading = [AbstractCursor, Admin, Collection, Database, OrderedBulkOperation, UnorderedBulkOperation];

/** Answers as `work` does, or fails after `ms`; what `work` comes to later is nobody's business any more. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new UnavailableError(`MongoDB did not answer within ${ms} ms`));
    // After the sockets have been read: an answer that is already there counts, however busy this process was.
    timer = setTimeout(() => setImmediate(giveUp), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isIterator(value: unknown): value is AsyncGenerator {
  return Object.prototype.toString.call(value) === "[object AsyncGenerator]";
}

/**
 * The same object, whose calls end within `ms`: those of a database, and of the collections and cursors it hands out.
 * The driver limits the stages of an operation one by one, and retries; only this limits the whole.
 * Change streams and `cursor.stream()` go on for as long as they like.
 */
export function bounded<T extends object>(target: T, ms: number): T {
  const calls = new Map<PropertyKey, unknown>();
  const proxy: T = new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function" || key === "constructor") return lead(value);
      const known = calls.get(key);
      if (known) return known;
      const call = (...args: unknown[]) => lead(Reflect.apply(value, target, args));
      calls.set(key, call);
      return call;
    },
  });

  function lead(value: unknown): unknown {
    if (value === target) return proxy;
    if (value instanceof Promise) return within(ms, value);
    const goesOn = isIterator(value) || leading.some((kind) => value instanceof kind);
    return goesOn ? bounded(value as object, ms) : value;
  }
  return proxy;
}
