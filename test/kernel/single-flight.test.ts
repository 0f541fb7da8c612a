import { expect, test } from "vitest";
import { createSingleFlight } from "../../src/kernel/single-flight.ts";

/** Loads that end when they are told to. */
function createLoads() {
  const loads: { begun: number; end: (found: string) => void; fail: (error: Error) => void }[] = [];
  const load = () =>
    new Promise<string>((end, fail) => {
      loads.push({ begun: loads.length + 1, end, fail });
    });
  return { loads, load };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test("who asks a moment after something was begun shares it", async () => {
  const { ask } = createSingleFlight<string>(60_000);
  const { loads, load } = createLoads();
  const answers = [ask("a", load), ask("a", load), ask("b", load)];
  expect(loads).toHaveLength(2);
  loads[0]?.end("one");
  loads[1]?.end("other");
  expect(await Promise.all(answers)).toEqual(["one", "one", "other"]);
});

test("who asks later is told what was so afterwards, and nothing is under way twice", async () => {
  // As if much time had passed since it began.
  const { ask } = createSingleFlight<string>(-1);
  const { loads, load } = createLoads();
  const first = ask("a", load);
  const later = [ask("a", load), ask("a", load)];
  await soon();
  expect(loads).toHaveLength(1);
  loads[0]?.end("before");
  expect(await first).toBe("before");
  await soon();
  expect(loads).toHaveLength(2);
  loads[1]?.end("after");
  expect(await Promise.all(later)).toEqual(["after", "after"]);
  const last = ask("a", load);
  expect(loads).toHaveLength(3);
  loads[2]?.end("at last");
  expect(await last).toBe("at last");
});

test("what fails, fails for those who came later, too, instead of keeping them waiting twice", async () => {
  const { ask } = createSingleFlight<string>(-1);
  const { loads, load } = createLoads();
  const answers = [ask("a", load), ask("a", load)];
  loads[0]?.fail(new Error("not today"));
  expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(loads).toHaveLength(1);
  const next = ask("a", load);
  loads[1]?.end("tomorrow");
  expect(await next).toBe("tomorrow");
});

test("whoever waits for the next is served by what was begun after something was forgotten, and waits for no other", async () => {
  const { ask, forget } = createSingleFlight<string>(-1);
  const { loads, load } = createLoads();
  const first = ask("a", load);
  const waiting = ask("a", load);
  forget("a");
  const newcomer = ask("a", load);
  expect(loads).toHaveLength(2);
  loads[0]?.end("before");
  expect(await first).toBe("before");
  await soon();
  forget("a");
  void ask("a", load);
  loads[1]?.end("after");
  expect(await Promise.all([waiting, newcomer])).toEqual(["after", "after"]);
});
