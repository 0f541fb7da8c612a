import { afterAll, expect, it } from "vitest";
import { printed } from "../../bench/support/report.ts";
import { performDrill } from "../../drills/realtime/perform.ts";
import { drained, healthy } from "../../drills/realtime/plan.ts";
import { reportOf } from "../../drills/realtime/report.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";

const url = mongoUrl("drill-rolling");
afterAll(() => dropDatabase(url));

it.runIf(long)(
  "an instance is drained while its people talk: no word is lost, and no connection broken",
  async () => {
    // Without another one in its place, which takes seconds.
    const { begin = () => {} } = drained(0, "");
    const plan = [healthy, { name: "an instance drained", drains: 0, begin }];
    const size = { clients: 24, rooms: 3, messages: 100, rate: 120 };
    const report = await performDrill({ mongoUrl: url, plan, ...size, say: () => {} });
    const lines = printed(reportOf(report, "an instance was drained")).join("\n");
    console.log(lines);
    expect(report.failures, lines).toEqual([]);
    expect(report.phases[1]?.saidAtBegin, lines).toBeGreaterThan(0);
    expect(Object.keys(report.ends), lines).toEqual(["io server disconnect"]);
  },
  120_000,
);
