import { describe, expect, it } from "vitest";
import { currentBudget, withBudget, withoutBudget } from "../../src/kernel/budget.ts";

describe("the budget of a request", () => {
  it("does not exist outside of one", () => {
    expect(currentBudget()).toBeUndefined();
  });

  it("is shared by everything the request awaits, and by requests within", async () => {
    await withBudget(async () => {
      const mine = currentBudget();
      await Promise.resolve();
      expect(currentBudget()).toBe(mine);
      withBudget(() => expect(currentBudget()).toBe(mine));
    });
  });

  it("is another one for another request", () => {
    const budgets = [withBudget(currentBudget), withBudget(currentBudget)];
    expect(budgets[0]).toBeDefined();
    expect(budgets[0]).not.toBe(budgets[1]);
  });

  it("does not bind what must be done all the same, and binds again afterwards", async () => {
    await withBudget(async () => {
      const mine = currentBudget();
      await withoutBudget(async () => {
        await Promise.resolve();
        expect(currentBudget()).toBeUndefined();
      });
      expect(currentBudget()).toBe(mine);
    });
    expect(withoutBudget(() => "done")).toBe("done");
  });

  it("counts waits that overlap once, and what is still under way", () => {
    withBudget(() => {
      const budget = currentBudget();
      if (!budget) return expect.unreachable();
      budget.begin(0);
      budget.begin(10);
      expect(budget.left(200, 50)).toBe(150);
      budget.end(60);
      budget.end(80);
      expect(budget.left(200, 500)).toBe(120);
      budget.begin(500);
      budget.end(620);
      expect(budget.left(200, 700)).toBe(0);
    });
  });
});
