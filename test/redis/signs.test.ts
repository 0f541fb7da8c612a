import { describe, expect, it } from "vitest";
import { compare, difference, parseInfo, type ServerSigns } from "../../src/redis/signs.ts";

const known: ServerSigns = {
  canaryKey: "cache:sluice:canary",
  runId: "run-1",
  role: "master",
  canary: "bird",
  count: 50,
  before: 49,
};
const now = (change: Partial<ServerSigns>): ServerSigns => ({ ...known, count: 51, before: 50, ...change });
describe("the signs of a server", () => {
  it("know nothing at the first connection", () => {
    expect(compare([], [known])).toEqual({ sameData: false });
  });

  it("are the same when nothing happened but heartbeats, of whichever instance", () => {
    expect(compare([known], [now({ before: 70, count: 71 })])).toEqual({ sameData: true });
  });

  it.each([
    ["another run of the server", { runId: "run-2" }],
    ["emptied data", { canary: null, before: 0, count: 1 }],
    ["emptied data in which somebody has planted anew", { canary: "other", before: 80, count: 81 }],
    ["an older snapshot", { before: 49, count: 50 }],
  ])("are other ones: %s", (_, change) => {
    expect(compare([known], [now(change)])).toEqual({ sameData: false });
    expect(difference(known, now(change))).toBeTypeOf("string");
  });

  it("count a cluster as the same only when every master is", () => {
    const other: ServerSigns = { ...known, canaryKey: "cache:sluice:canary:{1}", runId: "run-b", canary: "b" };
    const same = { ...other, count: 51, before: 50 };
    expect(compare([known, other], [now({}), same])).toEqual({ sameData: true });
    expect(compare([known, other], [now({}), { ...same, canary: null }])).toEqual({ sameData: false });
    expect(compare([known, other], [now({ runId: "run-2" }), same])).toEqual({ sameData: false });
    expect(compare([known, other], [now({})])).toEqual({ sameData: false });
  });

  it("read the INFO of a server", () => {
    expect(parseInfo("# Server\r\nrun_id:abc\r\nexecutable:/a:b\r\n")).toEqual({ run_id: "abc", executable: "/a:b" });
  });
});
