import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { envExample } from "../../src/config/example.ts";
import { configurationPage } from "../../src/config/page.ts";
import { variables } from "../../src/config/variables.ts";
import { filesBelow, root } from "../support/files.ts";

describe("the configuration's documents", () => {
  it("hold .env.example equal to the schema", () => {
    expect(readFileSync(join(root, ".env.example"), "utf8")).toBe(envExample());
  });

  it("hold the page of settings equal to the schema", async () => {
    await expect(configurationPage(), "npm run docs writes it").toMatchFileSnapshot(
      join(root, "docs/configuration.md"),
    );
  });

  it("knows every variable that the code speaks of", () => {
    const names = new Set(Object.keys(variables));
    const spoken = filesBelow("src", ".ts")
      .flatMap((file) => [...readFileSync(join(root, "src", file), "utf8").matchAll(/config\.([A-Z][A-Z0-9_]+)/g)])
      .map((match) => match[1] ?? "");
    expect(spoken.length).toBeGreaterThan(10);
    expect(spoken.filter((name) => !names.has(name))).toEqual([]);
  });

  it("uses every variable that it documents", () => {
    const text = filesBelow("src", ".ts")
      .filter((file) => !file.endsWith("variables.ts"))
      .map((file) => readFileSync(join(root, "src", file), "utf8"))
      .join("\n");
    expect(Object.keys(variables).filter((name) => !text.includes(name))).toEqual([]);
  });
});
