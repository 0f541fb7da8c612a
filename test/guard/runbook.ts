import { readFileSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, root } from "../support/files.ts";

export interface Paragraph {
  alert: string;
  /** The page that it stands on. */
  page: string;
  text: string;
  /** Commands that only look. */
  look: string[];
  /** Commands that end it. */
  end: string[];
}

const textOf = (page: string) => readFileSync(join(root, page), "utf8");

const blocksIn = (text: string) => [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => (match[1] ?? "").trim());
const commandsIn = (text: string) => blocksIn(text).flatMap((block) => block.split("\n"));

/** The one block of commands of a page that has these words in it, line by line. */
export function blockWith(page: string, words: string): string[] {
  const [block, ...more] = blocksIn(textOf(page)).filter((text) => text.includes(words));
  if (!block || more.length > 0) throw new Error(`${page} must have one block with: ${words}`);
  return block.split("\n");
}

export const runbookFront = "docs/runbook.md";
export const runbookPages = filesBelow("docs/runbook", ".md").map((file) => `docs/runbook/${file}`);

/** By what a shell understands the commands: on machines, and beside docker-compose.yml. */
export function preambles(): { machines: string; compose: string } {
  const [machines = "", compose = ""] = blocksIn(textOf(runbookFront));
  return { machines, compose };
}

/** The paragraphs of the runbook, one for each alert. */
export function runbook(): Paragraph[] {
  return runbookPages.flatMap((page) =>
    textOf(page)
      .split(/^### /m)
      .slice(1)
      .map((text) => {
        const [alert = ""] = text.split("\n");
        const [before = "", after = ""] = text.split("**Ends it:**");
        return { alert, page, text, look: commandsIn(before), end: commandsIn(after) };
      }),
  );
}

/** Every command of a page, in blocks; those of sluice within its text as well, which may be broken over two lines. */
export function commandsOf(page: string): string[] {
  const text = textOf(page);
  const inline = [...text.matchAll(/`(sluice\s[^`]+)`/g)].map((match) => (match[1] ?? "").replaceAll(/\s+/g, " "));
  return [...commandsIn(text), ...inline];
}

export const runbookCommands = () => [...new Set([runbookFront, ...runbookPages].flatMap(commandsOf))];
