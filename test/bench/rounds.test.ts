import { expect, it } from "vitest";
import { rounds } from "../../bench/support/rounds.ts";

it("measures the sides in turns, and leaves out the rounds that warm them", async () => {
  const order: string[] = [];
  const work = async (side: string, turn: number) => {
    order.push(side);
    return turn;
  };
  const measured = await rounds(["a", "b"], 3, work, { warm: 1 });
  expect(order.join("")).toBe("baabbaab");
  expect([...measured]).toEqual([
    ["a", [0, 1, 2]],
    ["b", [0, 1, 2]],
  ]);
});
