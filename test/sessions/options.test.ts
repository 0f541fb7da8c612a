import { describe, expect, it } from "vitest";
import { rolloutStore } from "../../src/sessions/index.ts";

const mongoUrl = "mongodb://127.0.0.1:1/shop";
const open = (options: unknown) => () => rolloutStore(options as never);

describe("an option that cannot be used", () => {
  const wrong: [options: Record<string, unknown>, words: string][] = [
    [
      { autoRemove: "interval" },
      'autoRemove: got "interval"; it takes "native", an index that removes what has expired',
    ],
    [{ ttl: "abc" }, 'ttl: got "abc"; it takes seconds as a number above 0.'],
    [{ ttl: Number.NaN }, "ttl: got NaN; it takes seconds"],
    [{ touchAfter: "1h" }, 'touchAfter: got "1h"; it takes seconds as a number'],
    [{ transformId: "x" }, 'transformId: got "x"; it takes a function.'],
    [{ prefix: "{shop}:" }, "prefix: got a string; it takes text without { and }."],
    [{ stringify: "no" }, 'stringify: got "no"; it takes true or false.'],
    [{ collectionName: "" }, "collectionName: got a string; it takes text that is not empty."],
    [{ crypto: "squirrel" }, "crypto: got a string; it takes an object with the secret in it."],
    [{ log: { warn() {} } }, "log: got an object of warn; it takes an object with the functions debug, info, warn and"],
    [{ dial: { percant: 10 } }, "dial: got an object of percant; it takes an object of mode, percent, oldServers."],
    [
      { stepDown: true },
      "stepDown: got a boolean; it takes an object of numbers: windowMs, errors, latencyMs, missing",
    ],
    [
      { deadlines: { operationMs: "4s" } },
      "deadlines: got an object of operationMs; it takes an object of milliseconds",
    ],
    [{ redis: { url: "redis://127.0.0.1" } }, "redis: got an object of url; it takes a URL"],
    [{ redis: null }, "redis: got null; it takes a URL"],
  ];
  it.each(wrong)("is refused with what it takes: %o", (options, words) => {
    expect(open({ mongoUrl, ...options })).toThrow(words);
  });

  it("is refused by its name when there is none of that name", () => {
    expect(open({ mongoUrl, colectionName: "visits" })).toThrow(
      /^colectionName: rolloutStore has no such option; it takes mongoUrl, .*\bcollectionName, /,
    );
  });

  const theirs: [option: string, value: unknown, words: RegExp][] = [
    ["clientPromise", Promise.resolve({}), /^clientPromise: .* no such option; await it, and give .* as client\.$/],
    ["autoRemoveInterval", 10, /^autoRemoveInterval: .* leave it out; MongoDB removes what has expired by an index\.$/],
    ["createAutoRemoveIdx", true, /^createAutoRemoveIdx: .* give autoRemove\.$/],
    [
      "writeOperationOptions",
      { w: 1 },
      /^writeOperationOptions: .* leave it out; every write waits for the majority\.$/,
    ],
  ];
  it.each(theirs)("is refused with what to do instead when only connect-mongo has it: %s", (option, value, words) => {
    expect(open({ [option]: value })).toThrow(words);
  });

  it("is refused when a connection is given as a client, with what to give", () => {
    expect(open({ client: { readyState: 1 } })).toThrow("client: got an object of readyState; it takes a MongoClient");
    expect(open({ client: `${mongoUrl}?password=squirrel` })).toThrow(/^client: got a string; it takes a MongoClient/);
  });

  it("is told from no options at all", () => {
    expect(open(undefined)).toThrow(
      "rolloutStore takes an object of options, such as mongoUrl and redis; it got undefined.",
    );
    expect(open(mongoUrl)).toThrow("it got a string.");
  });
});
