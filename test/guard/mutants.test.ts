import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cacheMutants } from "../mutants/cache.ts";
import { mutants } from "../mutants/mutants.ts";

const root = join(import.meta.dirname, "../..");

it.each([...mutants, ...cacheMutants])("the bug can be put in: $name", ({ file, find }) => {
  expect(readFileSync(join(root, file), "utf8").split(find).length - 1).toBe(1);
});
