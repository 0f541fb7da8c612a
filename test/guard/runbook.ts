import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/files.ts";

export interface Paragraph {
  alert: string;
  text: string;
  /** Commands that only look. */
  look: string[];
  /** Commands that end it. */
  end: string[];
}

const textOf = (page: string) => readFileSync(join(root, page), "utf8");

const commandsIn = (text: string) =>
  [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((match) => (match[1] ?? "").trim().split("\n"));

/** The paragraphs of the runbook, one for each alert. */
export function runbook(): Paragraph[] {
  return textOf("docs/runbook.md")
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const text = part.split(/^## /m)[0] ?? "";
      const [alert = ""] = text.split("\n");
      const [before = "", after = ""] = text.split("**Ends it:**");
      return { alert, text, look: commandsIn(before), end: commandsIn(after) };
    });
}

/** Every command of a page, in blocks; those of sluice within its text as well, which may be broken over two lines. */
export function commandsOf(page: string): string[] {
  const text = textOf(page);
  const inline = [...text.matchAll(/`(sluice\s[^`]+)`/g)].map((match) => (match[1] ?? "").replaceAll(/\s+/g, " "));
  return [...commandsIn(text), ...inline];
}

export const runbookCommands = () => commandsOf("docs/runbook.md");
