import { afterEach, expect, it, vi } from "vitest";
import { createLines } from "../../src/realtime/lines.ts";
import type { Member } from "../../src/realtime/types.ts";

const people = (count: number): Member[] =>
  Array.from({ length: count }, (_, n) => ({ userId: `id ${n}`, nickname: `person ${n}`, role: "member" }));
const [ann, bob] = people(2) as [Member, Member];

function room() {
  const said: string[] = [];
  const present: Member[] = [];
  const clock = { now: 0 };
  const lines = createLines({
    membersOf: async () => present,
    onLeft: (_room, { nickname }) => said.push(nickname),
    gatherMs: 20,
    silentMs: 1_000,
    now: () => clock.now,
  });
  closing.push(lines.close);
  return { lines, said, present, clock };
}
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

it("each of a few who left is told of, and told of when back", async () => {
  const { lines, said } = room();
  lines.left("general", [ann]);
  lines.left("general", [bob]);
  await vi.waitFor(() => expect(said).toEqual([ann.nickname, bob.nickname]));
  expect(lines.came("general", ann)).toBe(true);
});

it("a crowd that is lost at once gets no lines, nor when it is back, but each gets them the next time", async () => {
  const { lines, said, clock } = room();
  const crowd = people(11);
  for (const member of crowd) lines.left("general", [member]);
  lines.left("random", [ann]);
  await vi.waitFor(() => expect(said).toEqual([ann.nickname]));
  await vi.waitFor(() => expect(lines.came("general", bob)).toBe(false));
  for (const member of crowd.slice(2)) expect(lines.came("general", member)).toBe(false);
  expect(lines.came("general", bob)).toBe(true);
  clock.now = 1_001;
  expect(lines.came("general", ann)).toBe(true);
});

it("a crowd whose instance died gets no lines when it is back, though another tells of it; a few get theirs", () => {
  const { lines } = room();
  lines.vanished("general", people(11));
  lines.vanished("random", people(10));
  for (const member of people(11)) expect(lines.came("general", member)).toBe(false);
  expect(lines.came("random", ann)).toBe(true);
});

it("who is back before anybody was told has neither left nor come", async () => {
  const { lines, said, present } = room();
  lines.left("general", people(3));
  expect(lines.came("general", ann)).toBe(false);
  // Through another instance.
  present.push(bob);
  await vi.waitFor(() => expect(said).toEqual(["person 2"]));
});

it("of a crowd that comes as if for the first time only the first few are told of, until it is calm again", () => {
  const { lines, clock } = room();
  const told = (count: number) => people(count).filter((member) => lines.came("general", member)).length;
  expect(told(300)).toBe(15);
  expect(lines.came("random", ann)).toBe(true);
  clock.now += 999;
  expect(told(1)).toBe(0);
  clock.now += 1_001;
  expect(told(10)).toBe(10);
});
