import { expect, it } from "vitest";
import { rounds } from "../../bench/support/rounds.ts";

it("measures the sides in turns, and leaves out the rounds that warm them", async () => {
  const order: string[] = [];
  const work = async (side: string, turn: number) => {
    order.push(side);
    return turn;
  };
  const measured = await rounds(["a", "b"], 3, work, { warm: 1, stolenSince: () => () => undefined });
  expect(order.join("")).toBe("baabbaab");
  expect([...measured]).toEqual([
    ["a", [0, 1, 2]],
    ["b", [0, 1, 2]],
  ]);
});

it("measures again what other machines disturbed, but not for ever", async () => {
  const stolen = [9, 8, 50, 0, 90, 90, 90, 90, 90];
  let n = 0;
  const disturbed = { stolenSince: () => () => stolen[n++] };
  const work = (side: string) => `${side}${n}`;
  expect([...(await rounds(["a", "b"], 3, work, disturbed))]).toEqual([
    ["a", ["a1", "a5", "a6"]],
    ["b", ["b3", "b4", "b7"]],
  ]);
});
