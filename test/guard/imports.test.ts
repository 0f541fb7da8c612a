import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow } from "../support/files.ts";

const src = resolve(import.meta.dirname, "../../src");
const importLine =
  /^(import|export)\s(type\s)?.*?from\s+"(?<from>[^"]+)"|^import\s+"(?<bare>[^"]+)"|import\("(?<dynamic>[^"]+)"\)/gms;

/** Which room may import which; `config` for its types. What ops watches is handed to it, so it may know the types of all. */
const allowed: Record<string, string[]> = {
  kernel: [],
  config: ["kernel"],
  redis: ["kernel", "config"],
  mongo: ["kernel", "config"],
  sessions: ["kernel", "redis", "mongo"],
  cache: ["kernel", "redis", "mongo"],
  chat: ["kernel", "mongo", "cache"],
  realtime: ["kernel", "redis", "chat", "sessions"],
  ops: ["kernel"],
  embedded: ["kernel"],
  cli: ["kernel", "config", "redis", "mongo", "sessions", "cache", "chat", "ops", "embedded"],
};
/** Rooms whose shapes another may name, because values of them are handed to it. */
const shapesFrom: Record<string, string[]> = { ops: ["redis", "mongo", "sessions", "cache"] };
const doors = ["index.ts", "app.ts", "main.ts", "cli.ts"];

interface Import {
  file: string;
  from: string;
  typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), "utf8");
  return [...text.matchAll(importLine)].map((match) => ({
    file,
    from: match.groups?.from ?? match.groups?.bare ?? match.groups?.dynamic ?? "",
    typeOnly: match[2] !== undefined,
  }));
}

const files = filesBelow("src", ".ts");
const imports = files.flatMap(importsOf);
const roomOf = (path: string) => (path.includes("/") ? (path.split("/")[0] ?? "") : "");
const target = ({ file, from }: Import) => relative(src, resolve(src, dirname(file), from));

describe("the house", () => {
  it("has files and imports to look at", () => {
    expect(files.length).toBeGreaterThan(30);
    expect(imports.length).toBeGreaterThan(50);
  });

  it("lets a room import only from the rooms it may", () => {
    const wrong = imports
      .filter(({ from }) => from.startsWith("."))
      .filter((line) => roomOf(line.file) !== "" && !target(line).startsWith(".."))
      .filter((line) => {
        const [here, there] = [roomOf(line.file), roomOf(target(line))];
        const may = [...(allowed[here] ?? []), ...(line.typeOnly ? (shapesFrom[here] ?? []) : [])];
        return there === "" || (here !== there && !may.includes(there));
      })
      .map((line) => `${line.file} imports ${target(line)}`);
    expect(wrong).toEqual([]);
  });

  it("is entered by its doors alone, which nobody inside imports", () => {
    const wrong = imports
      .filter((line) => line.from.startsWith(".") && doors.includes(target(line)))
      .filter((line) => !doors.includes(line.file))
      .map((line) => `${line.file} imports ${target(line)}`);
    expect(wrong).toEqual([]);
  });

  it("has no import cycle", () => {
    const edges = new Map<string, string[]>();
    for (const line of imports)
      if (line.from.startsWith(".") && !line.typeOnly)
        edges.set(line.file, [...(edges.get(line.file) ?? []), target(line)]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, path: string[]) => {
      if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
      done.add(file);
    };
    for (const file of edges.keys()) walk(file, []);
    expect(cycles).toEqual([]);
  });

  it("reaches Redis through one room, and the environment through two doors", () => {
    const redis = imports.filter(({ from }) => from === "redis" || from.startsWith("@redis/"));
    expect(redis.filter(({ file }) => roomOf(file) !== "redis").map(({ file }) => file)).toEqual([]);
    const readers = files.filter((file) => /process\.(env|on\(|once\()/.test(readFileSync(join(src, file), "utf8")));
    expect(readers.filter((file) => !["main.ts", "cli.ts"].includes(file))).toEqual([]);
  });

  it("keeps its files small", () => {
    const long = files.filter((file) => readFileSync(join(src, file), "utf8").split("\n").length > 300);
    expect(long).toEqual([]);
  });
});
