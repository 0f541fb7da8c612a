import { groups, type Variable } from "./variables.ts";

const head = `# Every setting

All are variables of the environment; none is needed to try it out. \`cp .env.example .env\`, uncomment what you change, and start with
\`node --env-file=.env dist/src/main.js\`. What is wrong is told all at once at the start:

\`\`\`sh
node dist/src/cli.js config check
\`\`\`

Secrets (🔒) may also be given as a file, by \`NAME_FILE\`; they are never shown. Durations are written \`250ms\`, \`4s\`, \`15m\`, \`24h\`. This
page is written by \`npm run docs\` from \`src/config/variables.ts\`.
`;

const cell = (text: string) => text.replaceAll("|", "\\|");

function row([name, { default: fallback, doc, kind, secret, aliases }]: [string, Variable<unknown>]): string {
  const takes = kind.takes === "text" ? "" : ` Takes ${cell(kind.takes)}.`;
  const also = aliases ? ` Also ${aliases.map((alias) => `\`${alias}\``).join(", ")}.` : "";
  const value = fallback ? `\`${fallback}\`` : "–";
  return `| \`${name}\`${secret ? " 🔒" : ""} | ${cell(value)} | ${cell(doc)}${also}${takes} |`;
}

/** The text of `docs/configuration.md`. */
export function configurationPage(): string {
  const parts = Object.entries(groups).map(([group, members]) => {
    const rows = Object.entries<Variable<unknown>>(members).map(row);
    return `## ${group}\n\n| variable | default | what it does |\n|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `${head}\n${parts.join("\n")}`;
}
