import { expect, it } from "vitest";
import { createDoubts } from "../../src/cache/doubts.ts";
import { createRecorder } from "../support/recorder.ts";

it("what fails afterwards is said, and ends neither the process nor the others", async () => {
  const log = createRecorder();
  const doubts = createDoubts(1, log);
  const done: string[] = [];
  doubts.afterwards(async () => {
    throw new TypeError("a listener threw");
  });
  doubts.afterwards(async () => {
    done.push("the other");
  });
  await doubts.close();
  expect(done).toEqual(["the other"]);
  expect(log.lines.map(({ level, fields }) => [level, String(fields.err)])).toEqual([
    ["error", "TypeError: a listener threw"],
  ]);
});
