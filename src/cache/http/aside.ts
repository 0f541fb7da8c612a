import type { Request, RequestHandler } from "express";
import type { Derived, DerivedCache } from "../derived.ts";
import type { Freshness } from "../types.ts";
import type { Answer } from "../wire.ts";
import { otherJson } from "./json.ts";
import { sendAnswer } from "./send.ts";

/** A cache of an app, whose values are loaded by one route and changed by others. */
export interface AppCache<T> {
  readonly name: string;
  /** Its JSON is made by the option `stringify`. */
  readonly ownJson: boolean;
  /** How the values are loaded; once, by `cacheAside`. A process that only writes has none. */
  loadedBy(load: (key: string) => Promise<T | null | undefined>, freshness?: Freshness): DerivedCache<Answer>;
  /** The value was written: it goes into Redis where it carries a version, else what is there goes. */
  wrote(key: string, value: T | undefined): Promise<void>;
  drop(key: string, why: string): Promise<void>;
  /** A write of it failed: what is there goes at once, and once more when the write cannot be under way any more. */
  doubted(key: string): Promise<void>;
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
  /** Beside `Accept-Encoding` and what the response has already. */
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
  const { cache, key, load, freshness, cacheControl = "private, no-cache", vary } = options;
  const varies = ["Accept-Encoding", ...(vary ? [vary] : [])].join(", ");
  const answers = cache.loadedBy(load, freshness);
  return async function cached(req, res, next) {
    const refusal = otherJson(req.app, cache);
    if (refusal) return next(refusal);
    let found: Derived<Answer>;
    try {
      found = await answers.read(key(req));
    } catch (error) {
      next(error);
      return;
    }
    if (found.value.length === 0) return next();
    const all = res.vary(varies).get("Vary") ?? varies;
    sendAnswer(req, res, found.value, { source: found.from, cacheControl, vary: all });
  };
}

type Keys = string | readonly string[];

export interface WriteThroughOptions<T, Args extends unknown[], Result> {
  cache: AppCache<T>;
  /** The keys whose values the write has changed. */
  key: (result: Result, ...args: Args) => Keys;
  /** Those that a write which failed may have changed all the same; without it `key` is asked, with undefined as result. */
  keyOfFailed?: (...args: Args) => Keys;
  /** What the value is now, as `load` would answer it; without, or undefined, it is loaded at the next request. */
  value?: (result: Result, ...args: Args) => T | undefined;
}

/**
 * A write to MongoDB after which nobody is told the old value: it ends when Redis and this process know, and the other
 * processes hear of it. One that fails may have been taken, or may still be: its keys are thrown away, and again once
 * MongoDB has answered for a while.
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
  { cache, key, keyOfFailed, value }: WriteThroughOptions<T, Args, Result>,
  write: (...args: Args) => Result | PromiseLike<Result>,
): (...args: Args) => Promise<Result> {
  function keysInDoubt(result: Result | undefined, args: Args): string[] {
    try {
      return [keyOfFailed ? keyOfFailed(...args) : key(result as Result, ...args)].flat();
    } catch {
      // It needs the result, and there is none.
      return [];
    }
  }

  return async function written(...args) {
    let result: Result | undefined;
    try {
      result = await write(...args);
      const made = result;
      const keys = [key(made, ...args)].flat();
      await Promise.all(keys.map((one) => cache.wrote(one, value?.(made, ...args))));
      return made;
    } catch (error) {
      await Promise.all(keysInDoubt(result, args).map((one) => cache.doubted(one)));
      throw error;
    }
  };
}

/** What is cached under these keys is loaded anew: after a write that nothing else tells of. */
export async function invalidate<T>(cache: AppCache<T>, ...keys: string[]): Promise<void> {
  await Promise.all(keys.map((key) => cache.drop(key, "the app says that it has changed")));
}
