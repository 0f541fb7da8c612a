import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { root } from "./files.ts";

/** What this project's tests look at in a service. */
export interface ComposeService {
  image?: string;
  build?: string;
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  restart?: string;
  profiles?: string[];
  ports?: string[];
  networks?: string[] | Record<string, unknown>;
  secrets?: string[];
  volumes?: string[];
  environment?: Record<string, string | null>;
  entrypoint?: string[];
  command?: string[];
  healthcheck?: { test: string[] };
  depends_on?: string[] | Record<string, { condition: string }>;
  deploy?: { replicas: number | string };
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  networks: Record<string, { internal?: boolean } | null>;
  volumes: Record<string, null>;
  secrets: Record<string, { file: string }>;
}

/** `NAME=value` lines, as `--env-file` takes them. */
export function envFile(path: string): Record<string, string> {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  return Object.fromEntries(
    lines.filter((line) => /^\w+=/.test(line)).map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]),
  );
}

/** The file as an engine reads it, with these variables set. */
export function composeFile(env: Record<string, string> = {}): ComposeFile {
  const text = readFileSync(join(root, "docker-compose.yml"), "utf8").replace(
    /\$\{(\w+)(:?)-([^}]*)\}/g,
    (_, name: string, colon: string, fallback: string) =>
      (colon ? env[name] || fallback : (env[name] ?? fallback)) as string,
  );
  return parse(text, { merge: true, maxAliasCount: -1 }) as ComposeFile;
}

/** The schema says `definitions` where newer drafts say `$defs`; words of form are not looked at. */
function modern(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(modern);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => key !== "uniqueItems" && !(key === "format" && typeof inner === "string"))
      .map(([key, inner]) => {
        if (key === "definitions") return ["$defs", modern(inner)];
        if (key === "$ref") return [key, String(inner).replace("/definitions/", "/$defs/")];
        return [key, modern(inner)];
      }),
  );
}

/** What the specification of compose files says against one; nothing when it is valid. */
export function objectionsOf(file: unknown): string[] {
  const schema = JSON.parse(readFileSync(join(root, "test/deploy/compose-spec.json"), "utf8")) as object;
  const draft = { ...(modern(schema) as object), $schema: "https://json-schema.org/draft/2020-12/schema" as const };
  const valid = z.fromJSONSchema(draft).safeParse(file);
  return valid.success ? [] : valid.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}
