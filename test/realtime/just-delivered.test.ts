import { expect, it } from "vitest";
import type { Message } from "../../src/chat/services/types.ts";
import { createJustDelivered } from "../../src/realtime/just-delivered.ts";

let now = 1_000_000;
const clock = { now: () => now };
let serial = 0;

function message(text: string, more: Partial<Message> = {}): Message {
  const id = String(++serial).padStart(24, "0");
  return { id, author: "ann", room: "general", text, type: "public", target: null, timestamp: new Date(now), ...more };
}

it("adds to a snapshot what was delivered and is not in it, in order, and only what the reader may see", () => {
  const just = createJustDelivered(clock);
  const [one, two, three] = [message("one"), message("two"), message("three")];
  const secret = message("secret", { type: "private", target: "bob" });
  for (const each of [two, one, secret, message("elsewhere", { room: "other" })]) just.add(each);
  expect(just.complete([three], "general", "carl", 50)).toEqual([one, two, three]);
  expect(just.complete([one], "general", "bob", 50)).toEqual([one, two, secret]);
  expect(just.complete([one, two, three], "general", "carl", 3)).toEqual([one, two, three]);
  expect(just.complete([three], "general", "carl", 2)).toEqual([two, three]);
  expect(just.complete([], "nowhere", "carl", 2)).toEqual([]);
});

it("forgets after a while, and holds a bounded number", () => {
  const just = createJustDelivered(clock);
  for (let i = 0; i < 2_000; i++) just.add(message(`word ${i}`));
  expect(just.complete([], "general", "carl", 10_000)).toHaveLength(500);
  now += 10_001;
  expect(just.complete([], "general", "carl", 10_000)).toEqual([]);
});
