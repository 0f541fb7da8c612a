import { expect, it } from "vitest";
import { parsedOnce } from "../../src/cache/parsed.ts";

it("parses a text once, another text anew, and keeps no more than it was told to", () => {
  const parsed: string[] = [];
  const parse = parsedOnce(({ text }) => {
    parsed.push(text);
    return { said: text };
  }, 2);
  const of = (text: string) => parse({ id: "the same", text, rank: 0 });
  expect(of("one")).toBe(of("one"));
  expect(of("two")).toEqual({ said: "two" });
  expect(of("one")).toEqual({ said: "one" });
  expect(parsed).toEqual(["one", "two"]);
  of("three");
  of("two");
  expect(parsed).toEqual(["one", "two", "three", "two"]);
});
