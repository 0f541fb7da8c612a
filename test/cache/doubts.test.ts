import { expect, it, vi } from "vitest";
import { createDoubts } from "../../src/cache/doubts.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

it("waits until a write cannot be under way any more, and throws away once", async () => {
  let asked = 0;
  let silent = true;
  const over = () => {
    asked += 1;
    return !silent;
  };
  const doubts = createDoubts({ over, everyMs: 2, patienceMs: 10_000, log: createRecorder() });
  const drop = vi.fn(async () => {});
  doubts.afterwards("users:list", drop);
  doubts.afterwards("users:list", drop);
  await until(() => asked > 5);
  expect(drop).not.toHaveBeenCalled();
  silent = false;
  await until(() => drop.mock.calls.length > 0);
  await doubts.finish();
  expect(drop).toHaveBeenCalledTimes(1);
});

it("does not wait for ever when it is to end", async () => {
  const doubts = createDoubts({ over: () => false, everyMs: 2, patienceMs: 20, log: createRecorder() });
  const done: string[] = [];
  doubts.afterwards("one", async () => void done.push("one"));
  await doubts.finish();
  expect(done).toEqual(["one"]);
});

it("says what fails, and that ends neither the process nor the others", async () => {
  const log = createRecorder();
  const doubts = createDoubts({ over: () => true, everyMs: 1, patienceMs: 1_000, log });
  const done: string[] = [];
  doubts.afterwards("one", async () => {
    throw new TypeError("a listener threw");
  });
  doubts.afterwards("other", async () => void done.push("the other"));
  await doubts.finish();
  expect(done).toEqual(["the other"]);
  expect(log.lines.map(({ level, fields }) => [level, String(fields.err)])).toEqual([
    ["error", "TypeError: a listener threw"],
  ]);
});
