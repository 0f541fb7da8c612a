import express, { type Express } from "express";
import {
  type AppCache,
  type AppCacheOptions,
  type CacheAsideOptions,
  type Caches,
  type CachesOptions,
  cacheAside,
  openCaches,
} from "../../src/cache/index.ts";
import type { createEnds } from "./ends.ts";
import { type Answer, createBrowser } from "./http.ts";

export interface Price {
  _id: string;
  price: number;
  rev?: unknown;
  secret?: string;
}

export interface ShopOptions extends CachesOptions {
  cache?: Partial<AppCacheOptions<Price>>;
  route?: Partial<CacheAsideOptions<Price>>;
  /** What the app does before its route. */
  before?: (app: Express) => unknown;
  after?: (app: Express) => unknown;
}

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** The caches of an app, and one of prices, which no route has yet. */
export function openPrices(ends: ReturnType<typeof createEnds>, { cache: about, ...options }: ShopOptions) {
  const caches: Caches = ends.add(openCaches(options));
  const cache: AppCache<Price> = caches.create<Price>({ name: "prices", ttlSeconds: 300, ...about });
  const prices = caches.db.collection<Price>(cache.name);
  const put = (made: Price) => prices.replaceOne({ _id: made._id }, made, { upsert: true });
  return { caches, cache, prices, put };
}

/** An Express app that answers with prices. */
export async function openShop(ends: ReturnType<typeof createEnds>, { route, before, after, ...options }: ShopOptions) {
  const opened = openPrices(ends, options);
  const { cache, prices } = opened;
  const app = express();
  before?.(app);
  const load = (id: string) => prices.findOne({ _id: id });
  app.get("/:id", cacheAside<Price>({ cache, key: (req) => String(req.params.id), load, ...route }));
  after?.(app);
  const server = ends.add(app.listen(0, "127.0.0.1"));
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as { port: number };
  const browser = createBrowser(`http://127.0.0.1:${port}`);
  const get = (id: string, headers?: Record<string, string>): Promise<Answer> => browser.get(`/${id}`, headers);
  const from = async (id: string) => (await get(id)).headers.get("x-cache");
  return { ...opened, get, from };
}
