import { expect, it } from "vitest";
import { createPending } from "../../src/realtime/presence/pending.ts";

it("says that somebody is there who came back while Redis was out, and their leaving was on its way", () => {
  const pending = createPending({ guess: true, certain: () => false, othersHave: () => false });
  void pending.add("bob", "member Bob");
  pending.take(10);
  pending.acknowledge("1");
  pending.remove("bob");
  expect(pending.take(10).map(([member, { add }]) => [member, add])).toEqual([["bob", false]]);
  void pending.add("bob", "member Bob");
  pending.withoutRedis(true, "bob");
  expect(pending.plan([], false, 0).map(([member, { add }]) => [member, add])).toEqual([["bob", true]]);
});
