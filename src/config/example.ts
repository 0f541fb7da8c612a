import { groups, type Variable } from "./variables.ts";

/** The text of `.env.example`: every variable with its default and one line of meaning. */
export function envExample(): string {
  const parts = Object.entries(groups).map(([group, members]) => {
    const lines = Object.entries<Variable<unknown>>(members).map(
      ([name, { doc, default: fallback, kind, aliases, secret }]) => {
        const also = aliases ? ` Also ${aliases.join(", ")}.` : "";
        const file = secret ? ` Or ${name}_FILE.` : "";
        return `# ${doc}${also}${file} Takes ${kind.takes}.\n#${name}=${fallback}\n`;
      },
    );
    return `## ${group}\n\n${lines.join("\n")}`;
  });
  return `# Every variable that sluice reads, with its default. Copy to .env, uncomment what you change,\n# and start with: node --env-file=.env dist/src/main.js\n\n${parts.join("\n")}`;
}
