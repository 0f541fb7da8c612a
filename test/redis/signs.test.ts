import { describe, expect, it } from "vitest";
import { compare, difference, parseInfo, type ServerSigns } from "../../src/redis/signs.ts";

const known: ServerSigns = {
  canaryKey: "cache:sluice:canary",
  runId: "run-1",
  role: "master",
  replicationId: "repl-1",
  formerReplicationId: "0",
  offset: 1_000,
  formerOffset: -1,
  canary: "bird",
  count: 50,
  before: 49,
};
const now = (change: Partial<ServerSigns>): ServerSigns => ({ ...known, count: 51, before: 50, ...change });
const replica = (change: Partial<ServerSigns> = {}) =>
  now({ runId: "run-2", replicationId: "repl-2", formerReplicationId: "repl-1", formerOffset: 1_200, ...change });

describe("the signs of a server", () => {
  it("know nothing at the first connection", () => {
    expect(compare([], [known])).toEqual({ firstConnect: true, sameData: false, promoted: false });
  });

  it("are the same when nothing happened but heartbeats, of whichever instance", () => {
    expect(compare([known], [now({ before: 70, count: 71 })])).toMatchObject({ sameData: true, promoted: false });
  });

  it.each([
    ["another run of the server", { runId: "run-2" }],
    ["emptied data", { canary: null, before: 0, count: 1 }],
    ["emptied data in which somebody has planted anew", { canary: "other", before: 80, count: 81 }],
    ["an older snapshot", { before: 49, count: 50 }],
  ])("are other ones: %s", (_, change) => {
    expect(compare([known], [now(change)])).toMatchObject({ sameData: false, promoted: false });
    expect(difference(known, now(change))).toBeTypeOf("string");
  });

  it("tell a replica that took over with all that was seen", () => {
    expect(compare([known], [replica()])).toMatchObject({ sameData: false, promoted: true });
  });

  it.each([
    ["was behind", { formerOffset: 900 }],
    ["belonged to another master", { formerReplicationId: "repl-9" }],
    ["has other data", { canary: "other" }],
  ])("do not trust a replica that %s", (_, change) => {
    expect(compare([known], [replica(change)])).toMatchObject({ sameData: false, promoted: false });
  });

  it("count a cluster as the same only when every master is", () => {
    const other: ServerSigns = { ...known, canaryKey: "cache:sluice:canary:{1}", runId: "run-b", canary: "b" };
    const same = { ...other, count: 51, before: 50 };
    expect(compare([known, other], [now({}), same])).toMatchObject({ sameData: true });
    expect(compare([known, other], [now({}), { ...same, canary: null }])).toMatchObject({ sameData: false });
    expect(compare([known, other], [replica(), same])).toMatchObject({ sameData: false, promoted: true });
    expect(compare([known, other], [now({})])).toMatchObject({ sameData: false, promoted: false });
  });

  it("read the INFO of a server", () => {
    expect(parseInfo("# Server\r\nrun_id:abc\r\nexecutable:/a:b\r\n")).toEqual({ run_id: "abc", executable: "/a:b" });
  });
});
