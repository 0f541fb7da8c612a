import { describe, expect, it } from "vitest";
import { createSchedule, createTally } from "../../bench/stage/schedule.ts";
import { until } from "../support/until.ts";

describe("what goes on beside a measurement", () => {
  it("is done again and again until the end, which waits for what is under way", async () => {
    const schedule = createSchedule();
    let begun = 0;
    let ended = 0;
    let end: (() => void) | undefined;
    schedule.every(20, "words", async () => {
      begun += 1;
      await new Promise<void>((resolve) => {
        const before = end;
        end = () => {
          before?.();
          resolve();
        };
      });
      ended += 1;
    });
    await until(() => begun >= 3);
    const closing = schedule.close();
    expect(ended).toBe(0);
    end?.();
    const [words] = await closing;
    expect(ended).toBe(begun);
    expect(words).toMatchObject({ name: "words", perSecond: 50, done: begun });
  });

  it("is due by the clock, however late its timer comes, and what fails is not done", async () => {
    const schedule = createSchedule();
    let turns = 0;
    schedule.every(10, "channels", async () => {
      turns += 1;
      // Nothing else has its turn meanwhile.
      for (const since = performance.now(); performance.now() < since + 50; );
      throw new Error(`refused ${turns}`);
    });
    await until(() => turns >= 2);
    const [channels] = await schedule.close();
    expect(channels).toMatchObject({ done: 0, failure: "refused 1" });
    expect(channels?.due).toBeGreaterThan(turns);
  });

  it("is said to be missing below nine tenths", () => {
    const life = (name: string, due: number, done: number) => ({ name, perSecond: 5, seconds: due / 5, due, done });
    const tally = createTally();
    tally.add([life("users", 10, 9), life("words", 10, 10)]);
    expect(tally.failures()).toEqual([]);
    tally.add([{ ...life("words", 10, 7), failure: "not heard" }]);
    expect(tally.failures()).toEqual(["words: 17 of 20 that were due were done (not heard)"]);
    expect(tally.perSecond()).toBeCloseTo(9 / 2 + 17 / 4);
    expect(createTally().table("nothing").rows).toEqual([]);
  });
});
