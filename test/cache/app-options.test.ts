import mongoose from "mongoose";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { type AppCacheOptions, type CachesOptions, openCaches } from "../../src/cache/index.ts";
import { mongoUrl } from "../support/databases.ts";
import { createEnds } from "../support/ends.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("cache-app-options");
const ends = createEnds();
const caches = ends.add(openCaches({ mongoUrl: url }));

afterAll(() => ends.close());

describe("caches.create", () => {
  caches.create({ name: "taken", ttlSeconds: 1 });
  const key = () => undefined;

  it.each<[string, unknown, string]>([
    ["name", undefined, "undefined"],
    ["name", "", "''"],
    ["name", 7, "7"],
    ["name", "a:b", "'a:b'"],
    ["name", "{a}", "'{a}'"],
    ["name", "taken", "'taken'"],
    ["ttlSeconds", undefined, "undefined"],
    ["ttlSeconds", 0, "0"],
    ["ttlSeconds", -5, "-5"],
    ["ttlSeconds", 1.5, "1.5"],
    ["ttlSeconds", "60", "'60'"],
    ["ttlSeconds", Number.POSITIVE_INFINITY, "Infinity"],
    ["version", "", "''"],
    ["stringify", "json", "'json'"],
    ["follow.collection", { follow: { key } }, "undefined"],
    ["follow.collection", { follow: { key, collection: "" } }, "''"],
    ["follow.collection", { follow: null }, "undefined"],
    ["follow.key", { follow: { collection: "prices" } }, "undefined"],
  ])("refuses as %s: %j", (field, given, shown) => {
    const some = field.startsWith("follow") ? (given as object) : { [field]: given };
    const options = { name: "prices", ttlSeconds: 60, ...some } as AppCacheOptions;
    expect(() => caches.create(options)).toThrow(
      expect.objectContaining({
        code: "CACHE_OPTIONS",
        message: expect.stringMatching(/^caches\.create, .*: .* cannot be used; it takes .*\.$/),
      }),
    );
    expect(() => caches.create(options)).toThrow(`${field}: ${shown} `);
  });

  it("takes a name after it was refused for something else", () => {
    expect(() => caches.create({ name: "later", ttlSeconds: 0 })).toThrow();
    expect(caches.create({ name: "later", ttlSeconds: 1 }).name).toBe("later");
  });
});

describe("openCaches", () => {
  afterEach(() => void vi.restoreAllMocks());

  it.each<[string, string, unknown]>([
    ["CACHE_OPTIONS", "prefix", ""],
    ["CACHE_OPTIONS", "prefix", "{shop}:"],
    ["CACHE_OPTIONS", "prefix", null],
    ["REDIS_PLACE", "redis", null],
    ["REDIS_PLACE", "redis", { url: "redis://127.0.0.1:6379" }],
  ])("throws %s for %s: %j", async (code, name, given) => {
    const options = { mongoUrl: url, [name]: given } as CachesOptions;
    const closed = vi.spyOn(mongoose.mongo.MongoClient.prototype, "close");
    const connected = vi.spyOn(mongoose.mongo.MongoClient.prototype, "connect");
    expect(() => openCaches(options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(name) }),
    );
    // What it has opened until then keeps no process alive.
    expect(connected.mock.calls.length).toBe(code === "REDIS_PLACE" ? 1 : 0);
    await until(() => closed.mock.calls.length === connected.mock.calls.length);
  });
});
