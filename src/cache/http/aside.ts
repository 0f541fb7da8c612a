import type { Request, RequestHandler } from "express";
import type { Derived, DerivedCache } from "../derived.ts";
import type { Freshness } from "../types.ts";
import type { Answer } from "../wire.ts";
import { sendAnswer } from "./send.ts";

/** A cache of an app, whose values are loaded by one route and changed by others. */
export interface AppCache<T> {
  readonly name: string;
  /** How the values are loaded; once, by `cacheAside`. */
  loadedBy(load: (key: string) => Promise<T | null | undefined>, freshness?: Freshness): DerivedCache<Answer>;
  /** The value was written: it goes into Redis where it carries a version, else what is there goes. */
  wrote(key: string, value: T | undefined): Promise<void>;
  drop(key: string, why: string): Promise<void>;
}

export interface CacheAsideOptions<T> {
  cache: AppCache<T>;
  /** Which value a request asks for. */
  key: (req: Request) => string;
  /** The value as MongoDB has it; null or undefined: there is none, and the next handler answers. */
  load: (key: string) => Promise<T | null | undefined>;
  /** How old an answer may be. Default: who wrote sees it at once, the others a moment later. */
  freshness?: Freshness;
  /** Default `private, no-cache`: everybody asks each time, and is told that nothing has changed. */
  cacheControl?: string;
  vary?: string;
}

/**
 * A route that is answered from memory, else from Redis, else by `load`:
 *
 * ```ts
 * import express from "express";
 * import { cacheAside, openCaches } from "sluice/cache";
 *
 * const caches = openCaches({ mongoUrl: "mongodb://127.0.0.1/shop", redis: "redis://127.0.0.1:6379" });
 * const prices = caches.create<{ price: number }>({ name: "prices", ttlSeconds: 60 });
 * const app = express();
 * app.get("/prices/:id", cacheAside({
 *   cache: prices,
 *   key: (req) => String(req.params.id),
 *   load: async (id) => caches.db.collection<{ _id: string; price: number }>("prices").findOne({ _id: id }),
 * }));
 * app.listen(3000);
 * ```
 *
 * Answers carry an ETag and `X-Cache: l1|redis|mongo|bypass`, and are packed for whoever takes that.
 */
export function cacheAside<T>(options: CacheAsideOptions<T>): RequestHandler {
  const { cache, key, load, freshness, cacheControl = "private, no-cache", vary = "Accept-Encoding" } = options;
  const answers = cache.loadedBy(load, freshness);
  return async function cached(req, res, next) {
    let found: Derived<Answer>;
    try {
      found = await answers.read(key(req));
    } catch (error) {
      next(error);
      return;
    }
    if (found.value.length === 0) next();
    else sendAnswer(req, res, found.value, { source: found.from, cacheControl, vary });
  };
}

export interface WriteThroughOptions<T, Args extends unknown[], Result> {
  cache: AppCache<T>;
  /** The keys whose values the write has changed. */
  key: (result: Result, ...args: Args) => string | readonly string[];
  /** What the value is now, as `load` would answer it; without, or undefined, it is loaded at the next request. */
  value?: (result: Result, ...args: Args) => T | undefined;
}

/**
 * A write to MongoDB after which nobody is told the old value: it ends when Redis and this process know, and the other
 * processes hear of it.
 *
 * ```ts
 * const setPrice = writeThrough(
 *   { cache: prices, key: (_result, id: string) => id },
 *   (id: string, price: number) => Price.findByIdAndUpdate(id, { price }, { upsert: true, new: true }),
 * );
 * app.put("/prices/:id", async (req, res) => res.json(await setPrice(req.params.id, 5)));
 * ```
 */
export function writeThrough<T, Args extends unknown[], Result>(
  { cache, key, value }: WriteThroughOptions<T, Args, Result>,
  write: (...args: Args) => Result | PromiseLike<Result>,
): (...args: Args) => Promise<Result> {
  return async function written(...args) {
    const result = await write(...args);
    const keys = [key(result, ...args)].flat();
    await Promise.all(keys.map((one) => cache.wrote(one, value?.(result, ...args))));
    return result;
  };
}

/** What is cached under these keys is loaded anew: after a write that nothing else tells of. */
export async function invalidate<T>(cache: AppCache<T>, ...keys: string[]): Promise<void> {
  await Promise.all(keys.map((key) => cache.drop(key, "the app says that it has changed")));
}
