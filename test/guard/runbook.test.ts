import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { cacheNames } from "../../src/chat/caches/index.ts";
import { createProgram } from "../../src/cli/program.ts";
import { root } from "../support/files.ts";
import { alertRules } from "./alert-rules.ts";
import { commandsOf, runbook, runbookCommands, runbookFront, runbookPages } from "./runbook.ts";

/** The words of a command line as a shell takes them; quotes are as simple as the runbook's. */
const words = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");

function withoutWork(command: Command): Command {
  for (const one of command.commands) withoutWork(one);
  if (command.commands.length === 0) command.action(() => {});
  return command;
}

/** What the operator's door says to a command line that it does not understand. */
async function objection(line: string): Promise<string> {
  let said = "";
  const desk = {
    environment: () => ({}),
    print() {},
    aside(text: string) {
      said += text;
    },
    terminal: false,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    signal: new AbortController().signal,
    fail() {},
  };
  try {
    await withoutWork(createProgram(desk)).parseAsync(words(line).slice(1), { from: "user" });
    return "";
  } catch {
    return `${line}: ${said}`;
  }
}

describe("the runbook", () => {
  const paragraphs = runbook();

  it("has one paragraph for each alert, and none for another", () => {
    const alerts = alertRules().map(({ alert }) => alert);
    expect(paragraphs.map(({ alert }) => alert).sort()).toEqual(alerts.sort());
  });

  it("leads from its front to each of them, on pages for a person in a hurry", () => {
    const read = (page: string) => readFileSync(join(root, page), "utf8");
    for (const page of [runbookFront, ...runbookPages])
      expect(read(page).split("\n").length, page).toBeLessThanOrEqual(100);
    const links = [...read(runbookFront).matchAll(/\[(\w+)\]\((runbook\/[\w-]+\.md#\w+)\)/g)].map(([, ...one]) => one);
    const there = paragraphs.map(({ alert, page }) => [alert, `${page.slice("docs/".length)}#${alert.toLowerCase()}`]);
    expect(links.sort()).toEqual(there.sort());
  });

  it.each(paragraphs)("tells of $alert what people notice, where to look, and what ends it", ({ text, look }) => {
    expect(text.replaceAll("\n", " ")).toContain("**People notice**");
    expect(text).toContain("**Ends it:**");
    expect(look.length).toBeGreaterThan(0);
  });

  it("knows only commands of sluice that there are", async () => {
    const lines = runbookCommands().filter((line) => line.startsWith("sluice "));
    expect(lines.length).toBeGreaterThan(20);
    const objections = await Promise.all(lines.map(objection));
    expect(objections.filter(Boolean)).toEqual([]);
  });

  it.each(["docs/migrate.md", "docs/concepts.md"])("and %s knows only such commands as well", async (page) => {
    const lines = commandsOf(page).filter((line) => line.startsWith("sluice "));
    const objections = await Promise.all(lines.map(objection));
    expect(objections.filter(Boolean)).toEqual([]);
  });

  it("and docs/migrate.md enables each cache once, and private words before the histories that need both", () => {
    const enabled = commandsOf("docs/migrate.md").flatMap((line) => /^sluice cache enable (\w+)/.exec(line)?.[1] ?? []);
    expect([...enabled].sort()).toEqual([...cacheNames].sort());
    expect(enabled.indexOf("whispers")).toBeLessThan(enabled.indexOf("messages"));
  });

  it("would notice a command that there is not", async () => {
    expect(await objection("sluice dial turn 5")).not.toBe("");
    expect(await objection('sluice kill on --because "x"')).not.toBe("");
    expect(await objection("sluice dial set 0")).toMatch(/reason/);
  });

  it.each(runbookCommands())("a shell can read: %s", (line) => {
    const { status, stderr } = spawnSync("bash", ["-n", "-c", line], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
