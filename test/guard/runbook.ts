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

const page = readFileSync(join(root, "docs/runbook.md"), "utf8");

const commandsIn = (text: string) =>
  [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((match) => (match[1] ?? "").trim().split("\n"));

/** The paragraphs of the runbook, one for each alert. */
export function runbook(): Paragraph[] {
  return page
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const text = part.split(/^## /m)[0] ?? "";
      const [alert = ""] = text.split("\n");
      const [before = "", after = ""] = text.split("**Ends it:**");
      return { alert, text, look: commandsIn(before), end: commandsIn(after) };
    });
}

/** Every command of the page, those of its head as well; inline ones of sluice too. */
export function runbookCommands(): string[] {
  const inline = [...page.matchAll(/`(sluice [^`]+)`/g)].map((match) => match[1] ?? "");
  return [...commandsIn(page), ...inline];
}
