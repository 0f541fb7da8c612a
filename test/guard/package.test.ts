import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../support/files.ts";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const ofTheBuild = ["src", "migrations", "tsconfig.json", "tsconfig.build.json"];
const alwaysPacked = ["package.json", "README.md", "LICENSE"];

/** Whether a package brings types of its own. */
function typed(name: string): boolean {
  const folder = join(root, "node_modules", name);
  const { types, typings, exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const named = types ?? typings ?? (JSON.stringify(exports ?? "").includes('"types"') || undefined);
  return named !== undefined || existsSync(join(folder, "index.d.ts"));
}

describe("the package, packed where nothing was built", () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-pack-"));
  let packed: string[] = [];

  beforeAll(() => {
    for (const name of [...ofTheBuild, "public", "docs/api", ".env.example", ...alwaysPacked])
      cpSync(join(root, name), join(dir, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
    // What a measurement and a file that is no more have left behind.
    for (const left of ["dist/measured/bench/run.js", "dist/src/left-behind.js"]) {
      mkdirSync(join(dir, left, ".."), { recursive: true });
      writeFileSync(join(dir, left), "");
    }
    const json = execFileSync("npm", ["pack", "--dry-run", "--json"], {
      cwd: dir,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [{ files }] = JSON.parse(json) as [{ files: { path: string }[] }];
    packed = files.map(({ path }) => path);
  }, 120_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it("holds all that its doors name, and what they were built from alone", () => {
    const doors = [...Object.values(manifest.exports), ...Object.values(manifest.bin)].flatMap((door) =>
      Object.values(typeof door === "string" ? [door] : (door as object)),
    );
    expect(doors.map((door) => door.replace("./", "")).filter((door) => !packed.includes(door))).toEqual([]);
    const from = [...manifest.files.map((folder: string) => `${folder}/`), ...manifest.files, ...alwaysPacked];
    expect(
      packed.filter((path) => !from.some((one) => (one.endsWith("/") ? path.startsWith(one) : path === one))),
    ).toEqual([]);
    expect(packed.filter((path) => /measured|tsbuildinfo|left-behind/.test(path))).toEqual([]);
  });

  it("holds the sources in the maps that lead to them", () => {
    const maps = packed.filter((path) => path.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(100);
    const empty = maps.filter((path) => {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(dir, path), "utf8"));
      return sourcesContent?.length !== sources.length;
    });
    expect(empty).toEqual([]);
  });

  it("brings every type that its own types name", () => {
    const declarations = packed.filter((path) => path.endsWith(".d.ts"));
    const named = declarations
      .flatMap((path) => [...readFileSync(join(dir, path), "utf8").matchAll(/^(?:im|ex)port .*?from "([^".][^"]*)"/gm)])
      .map(([, from = ""]) => from)
      .filter((from) => !from.startsWith("node:"))
      .map((from) => from.split("/", from.startsWith("@") ? 2 : 1).join("/"));
    expect(named).toContain("express-session");
    const needed = [...new Set(named)].map((name) => (typed(name) ? name : `@types/${name}`));
    expect(needed.filter((name) => !(name in manifest.dependencies))).toEqual([]);
  });
});
