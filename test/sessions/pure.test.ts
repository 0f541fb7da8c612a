import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBucket, POINTS } from "../../src/sessions/bucket.ts";
import { createCodec } from "../../src/sessions/codec.ts";
import { readCopy, writeCopy } from "../../src/sessions/copy.ts";
import { createFloors } from "../../src/sessions/floors.ts";
import { rolloutStore } from "../../src/sessions/index.ts";
import { atLeast, createVersions, UNWRITTEN, versionOf, withoutRedis } from "../../src/sessions/version.ts";
import { sessionOf } from "../support/store-calls.ts";

const sid = fc.string({ minLength: 1, unit: "grapheme" });
const percent = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.double({ min: 0, max: 100, noNaN: true }));

describe("buckets", () => {
  const bucket = createBucket();

  it("are pure, and the same on every instance with the same salt", () => {
    fc.assert(
      fc.property(sid, percent, (id, at) => {
        expect(createBucket("sluice").holds(id, at)).toBe(bucket.holds(id, at));
      }),
    );
  });

  it("are nested: who is in at a percentage is in at every higher one", () => {
    fc.assert(
      fc.property(sid, percent, percent, (id, a, b) => {
        if (bucket.holds(id, Math.min(a, b))) expect(bucket.holds(id, Math.max(a, b))).toBe(true);
      }),
    );
  });

  it("are exact at the ends", () => {
    fc.assert(
      fc.property(sid, (id) => {
        expect(bucket.holds(id, 0)).toBe(false);
        expect(bucket.holds(id, 100)).toBe(true);
        expect(bucket.point(id)).toBeLessThan(POINTS);
      }),
    );
  });

  const kinds: Record<string, (n: number) => string> = {
    "random ids": (n) => `${Math.sin(n)}${n * 7919}`,
    "ids that count": (n) => String(n),
    "long ids that differ at the end": (n) => `${"s".repeat(40)}${n}`,
  };
  it.each(Object.keys(kinds))("are even within 1 % for %s", (kind) => {
    const make = kinds[kind] ?? String;
    for (const at of [1, 10, 25, 50, 90]) {
      let inside = 0;
      for (let n = 0; n < 40_000; n += 1) if (bucket.holds(make(n), at)) inside += 1;
      expect(Math.abs(inside / 400 - at)).toBeLessThan(1);
    }
  });

  it("differ with the salt", () => {
    const other = createBucket("pepper");
    const moved = Array.from({ length: 1_000 }, (_, n) => bucket.holds(`s${n}`, 50) !== other.holds(`s${n}`, 50));
    expect(moved.filter(Boolean).length).toBeGreaterThan(400);
  });
});

describe("versions", () => {
  const at = (ms: number) => ({ now: () => ms });

  it("grow, whatever the clock does", () => {
    let now = 1_000_000;
    const versions = createVersions({ now: () => now }, "abcdef");
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 2 }), (steps) => {
        let before = versions.next(undefined, true);
        for (const step of steps) {
          now += step;
          const next = versions.next(before, true);
          expect(next > before).toBe(true);
          before = next;
        }
      }),
    );
  });

  it("follow a version of a clock that is ahead, and leave other sessions at our time", () => {
    const versions = createVersions(at(1_000), "aaaaaa");
    const theirs = createVersions(at(9_000_000), "bbbbbb").next(undefined, true);
    expect(versions.next(theirs, true) > theirs).toBe(true);
    expect(versions.next(undefined, true) < theirs).toBe(true);
  });

  it("tell what was written past us, and what was written without Redis", () => {
    const version = createVersions(at(1_000), "abcdef").next(undefined, true);
    expect(versionOf({ v: version, h: "same" }, "same")).toBe(version);
    const foreign = versionOf({ v: version, h: "same" }, "other");
    expect(atLeast(foreign, version)).toBe(true);
    expect(atLeast(version, foreign)).toBe(false);
    expect(atLeast(versionOf({ v: version, h: "same" }, "third"), foreign)).toBe(false);
    expect(versionOf({}, "hash").startsWith(UNWRITTEN)).toBe(true);
    expect(withoutRedis(createVersions(at(1), "abcdef").next(undefined, false))).toBe(true);
    expect(withoutRedis(version)).toBe(false);
  });
});

describe("copies", () => {
  const cookie = fc.record({ originalMaxAge: fc.integer(), path: fc.string() });
  const json = fc.dictionary(fc.string(), fc.jsonValue()).map((rest) => ({ ...rest }));
  const mark = fc.record({
    expires: fc.integer({ min: 0, max: 9_999_999_999_999 }),
    epoch: fc.nat(),
    version: fc.constantFrom("0000000000001-abc123", "0660f0a1b2c3d-abc123~", "0660f0a1b2c3d-abc123+hA_-sh"),
    dated: fc.boolean(),
  });

  it("give back the session and the mark", () => {
    fc.assert(
      fc.property(cookie, json, mark, fc.boolean(), (c, rest, m, first) => {
        const session = JSON.stringify(
          first ? Object.assign({ cookie: c }, rest, { cookie: c }) : { ...rest, cookie: c },
        );
        const copy = readCopy(writeCopy(session, m));
        expect(JSON.parse(copy?.json ?? "null")).toEqual(JSON.parse(session));
        expect({ expires: copy?.expires, epoch: copy?.epoch, version: copy?.version, dated: copy?.dated }).toEqual(m);
        expect(copy?.isOf(`${m.epoch} `)).toBe(true);
        expect(copy?.isOf(`${m.epoch + 1} `)).toBe(false);
      }),
    );
  });

  it("are read by everybody as the session with one more field in the cookie", () => {
    const session = sessionOf(1_000, { user: "ann" });
    const text = writeCopy(JSON.stringify(session), {
      expires: 1,
      epoch: 2,
      version: "0000000000001-abc123",
      dated: false,
    });
    const { cookie: seen, ...rest } = JSON.parse(text);
    expect(rest).toEqual({ user: "ann" });
    expect(seen).toEqual({ ...session.cookie, "~": "0000000000001 2 0000000000001-abc123" });
  });

  it("without a mark are somebody else's", () => {
    expect(readCopy(JSON.stringify(sessionOf(1_000)))).toBeUndefined();
    expect(readCopy("")).toBeUndefined();
    expect(readCopy('{"cookie":{"~":"')).toBeUndefined();
  });
});

describe("what is stored", () => {
  it("goes to Redis only if JSON brings it back as it is", async () => {
    const codec = createCodec({ stringify: false });
    const portable = async (fields: Record<string, unknown>) => {
      const encoded = await codec.encode(sessionOf(1_000, fields));
      return encoded.portable !== null;
    };
    expect(await portable({ user: "ann", list: [1, { a: null }] })).toBe(true);
    for (const value of [new Date(), Buffer.from("x"), Number.NaN, -0, new Map(), /x/])
      expect(await portable({ value })).toBe(false);
  });

  it("has one hash, however the driver hands it out", async () => {
    const codec = createCodec({ stringify: false });
    const { stored, hash } = await codec.encode(sessionOf(1_000, { a: 1, b: undefined, c: [1.5, "x"] }));
    expect(codec.hashOf(structuredClone(stored))).toBe(hash);
  });
});

describe("floors", () => {
  it("allow nothing older than what was seen, until it is forgotten", () => {
    const floors = createFloors(60_000);
    const [older, newer] = ["0000000000001-aaaaaa", "0000000000002-aaaaaa"];
    expect(floors.see("s", newer)).toBe(true);
    expect(floors.see("s", older)).toBe(false);
    expect(floors.allows("s", { version: older })).toBe(false);
    expect(floors.allows("s", { version: newer })).toBe(true);
    expect(floors.allows("other", { version: older })).toBe(true);
    floors.bury("s");
    expect(floors.allows("s", { version: newer })).toBe(false);
    floors.set("s", older);
    expect(floors.allows("s", { version: older })).toBe(true);
  });

  it("are forgotten by reads alone, a whole life after they were seen", () => {
    const floors = createFloors(60_000);
    const version = "0000000000001-aaaaaa";
    floors.bury("s");
    const soon = performance.now() + 59_000;
    expect(floors.allows("s", { version }, soon)).toBe(false);
    expect(floors.allows("s", { version }, soon + 2_000)).toBe(false);
    expect(floors.allows("s", { version }, soon + 120_000)).toBe(true);
  });
});

describe("the options of an app", () => {
  it("are refused where the dial cannot stand, before anything is opened", () => {
    const open = (dial: object) => () => rolloutStore({ mongoUrl: "mongodb://127.0.0.1:1/shop", dial });
    expect(open({ percent: 101 })).toThrow("percent: 101 is not a number from 0 to 100.");
    expect(open({ mode: "on" })).toThrow('mode: "on" is none of off, shadow, serve.');
  });
});
