import { describe, expect, it } from "vitest";
import { createLately, worstShare } from "../../src/ops/lately.ts";

const fewest = 5;

function watched() {
  const lately = createLately("good", "bad");
  return {
    share(good: number, bad: number): number {
      lately.add("good", good);
      lately.add("bad", bad);
      return worstShare(lately.look(), "bad", ["good", "bad"], fewest);
    },
  };
}

describe("the share that was bad lately", () => {
  it("is told at the first look, however much was good before", () => {
    const { share } = watched();
    for (let look = 0; look < 30; look++) expect(share(1_000, 0)).toBe(0);
    expect(share(94, 6)).toBe(0.06);
  });

  it("is nothing while there was too little to tell, and adds up where little happens", () => {
    const { share } = watched();
    expect(share(0, 1)).toBe(0);
    expect(share(3, 0)).toBe(0);
    expect(share(0, 1)).toBe(0.4);
  });

  it("is forgotten ten seconds later", () => {
    const { share } = watched();
    expect(share(0, 10)).toBe(1);
    for (let look = 0; look < 19; look++) expect(share(0, 0)).toBe(1);
    expect(share(0, 0)).toBe(0);
  });
});
