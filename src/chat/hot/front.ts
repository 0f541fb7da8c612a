import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { corsHeaders, securityHeaders } from "../routes/front.ts";

interface Options {
  port: number;
  production: boolean;
  origins: readonly string[];
}

const pairs = (headers: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);

/** What helmet sets on every answer, asked of it once. */
function fixedHeaders(port: number, production: boolean): string[] {
  const req = new IncomingMessage(new Socket());
  const res = new ServerResponse(req);
  // It looks at nothing of a request, and answers in the same turn.
  securityHeaders(port, production)(req as never, res as never, () => undefined);
  return pairs(res.getHeaders());
}

/** The headers that every answer of the chat carries, by the origin of the page that asks; names and values by turns. */
export function frontHeaders({
  port,
  production,
  origins,
}: Options): (origin: string | undefined) => readonly string[] {
  const fixed = fixedHeaders(port, production);
  const forOrigin = corsHeaders(origins);
  const known = new Map(origins.map((origin) => [origin, [...fixed, ...pairs(forOrigin(origin))]]));
  return (origin) => known.get(origin ?? "") ?? fixed;
}
