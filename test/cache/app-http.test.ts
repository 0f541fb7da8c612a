import type { NextFunction, Request, Response } from "express";
import { afterAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createEnds } from "../support/ends.ts";
import { openShop, type ShopOptions } from "../support/shop.ts";

const url = mongoUrl("cache-app-http");
const ends = createEnds();

afterAll(async () => {
  await ends.close();
  await dropDatabase(url);
});

const load = async (id: string) => ({ _id: id, price: 3, secret: "told to nobody" });
const open = ({ route, ...options }: ShopOptions) =>
  openShop(ends, { mongoUrl: url, route: { load, ...route }, ...options });
const hide = (name: string, value: unknown) => (name === "secret" ? undefined : value);

describe("Vary of a cached answer", () => {
  const origin: ShopOptions["before"] = (app) =>
    app.use((_req, res, next) => {
      res.vary("Origin");
      next();
    });

  it.each<[string, ShopOptions, string]>([
    ["is Accept-Encoding where nothing else is said", {}, "Accept-Encoding"],
    ["keeps what a middleware has said", { before: origin }, "Origin, Accept-Encoding"],
    ["has what the route says, too", { route: { vary: "Authorization" } }, "Accept-Encoding, Authorization"],
    [
      "names nothing twice",
      { before: origin, route: { vary: "origin, accept-encoding, Cookie" } },
      "Origin, Accept-Encoding, Cookie",
    ],
  ])("%s", async (_what, options, expected) => {
    const { get } = await open(options);
    const { headers } = await get("tea");
    expect(headers.get("vary")).toBe(expected);
    const again = await get("tea", { "If-None-Match": headers.get("etag") ?? "", "Cache-Control": "max-age=0" });
    expect([again.status, again.headers.get("vary")]).toEqual([304, expected]);
  });
});

describe("the JSON of an app with settings of its own", () => {
  const told: string[] = [];
  const last = (error: Error, _req: Request, res: Response, _next: NextFunction) => {
    told.push(error.message);
    res.status(500).json({ code: "code" in error ? error.code : "" });
  };

  it.each([
    ["json replacer", hide],
    ["json escape", true],
    ["json spaces", 2],
  ])("is not sent past its %s", async (setting, value) => {
    const { get } = await open({ before: (app) => app.set(setting, value), after: (app) => app.use(last) });
    const { status, body } = await get("tea");
    expect([status, body.code]).toEqual([500, "CACHE_JSON"]);
    expect(JSON.stringify(body)).not.toContain("told to nobody");
    for (const word of [setting, "prices", "stringify"]) expect(told.at(-1)).toContain(word);
  });

  it("is what `stringify` makes", async () => {
    const cache = { stringify: (value: unknown) => JSON.stringify(value, hide, 1) };
    const { get } = await open({ cache, before: (app) => app.set("json replacer", hide) });
    expect((await get("tea")).body).toEqual({ _id: "tea", price: 3 });
  });
});
