import type { News } from "./bus-types.ts";

/** As it travels: the sender's name, the number of its last news on this channel, and the news, if it is no heartbeat. */
export interface Message {
  readonly sender: string;
  readonly number: number;
  readonly news: readonly News[];
  readonly kind: "news" | "beat" | "bye";
}

type Wire = { s: string; n: number; k?: [key: string, version?: string][]; bye?: 1 };

export function encode({ sender, number, news, kind }: Message): string {
  const wire: Wire = { s: sender, n: number };
  if (kind === "news")
    wire.k = news.map(({ key, version }): [string, string?] => (version === undefined ? [key] : [key, version]));
  if (kind === "bye") wire.bye = 1;
  return JSON.stringify(wire);
}

/** Undefined for what none of us wrote. */
export function decode(text: string): Message | undefined {
  try {
    const { s, n, k, bye } = JSON.parse(text) as Partial<Wire>;
    if (typeof s !== "string" || typeof n !== "number" || !Number.isSafeInteger(n)) return undefined;
    if (k !== undefined && !(Array.isArray(k) && k.every((one) => typeof one?.[0] === "string"))) return undefined;
    const news = (k ?? []).map(([key, version]) => ({ key, ...(typeof version === "string" ? { version } : {}) }));
    return { sender: s, number: n, news, kind: k ? "news" : bye ? "bye" : "beat" };
  } catch {
    return undefined;
  }
}
