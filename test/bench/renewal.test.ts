import { describe, expect, it } from "vitest";
import { createRenewal } from "../../bench/peers/renewal.ts";
import { until } from "../support/until.ts";

describe("what a peer makes anew when something has changed", () => {
  it("is made at once, and many changes together no sooner than after its rest", async () => {
    const made: number[] = [];
    const changed = createRenewal(async () => made.push(performance.now()), 100);
    for (let n = 0; n < 5; n += 1) changed();
    expect(made).toHaveLength(1);
    await until(() => made.length === 2);
    // A timer may be a millisecond early.
    expect((made[1] ?? 0) - (made[0] ?? 0)).toBeGreaterThan(95);
    changed();
    await until(() => made.length === 3);
    expect((made[2] ?? 0) - (made[1] ?? 0)).toBeGreaterThan(95);
  });

  it("is tried again after a failure, with no further change", async () => {
    let tries = 0;
    const said: unknown[] = [];
    const changed = createRenewal(
      async () => {
        tries += 1;
        if (tries === 1) throw new Error("no primary");
      },
      20,
      (error) => said.push(error),
    );
    changed();
    await until(() => tries === 2);
    expect(said).toEqual([new Error("no primary")]);
  });
});
