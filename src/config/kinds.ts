import { z } from "zod";

/** The kinds of values a variable of the environment may hold: text in, typed value out, and words that say what it takes. */
export interface Kind<T> {
  takes: string;
  schema: z.ZodType<T, string>;
}

const seconds: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };

function kind<T>(takes: string, parse: (text: string) => T | undefined): Kind<T> {
  const schema = z.string().transform((text, context) => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: takes });
    return z.NEVER;
  });
  return { takes, schema };
}

export const text = kind("text", (t) => t);

/** In a cluster, braces would part keys that belong together. */
export const keyText = kind("text without { and }", (t) => (/[{}]/.test(t) ? undefined : t));

export const flag = kind("true or false", (t) => {
  if (/^(true|1|yes|on)$/i.test(t)) return true;
  if (/^(false|0|no|off|)$/i.test(t)) return false;
  return undefined;
});

export function integer(min: number, max: number): Kind<number> {
  return kind(`a whole number from ${min} to ${max}`, (t) => {
    const n = Number(t);
    return /^\d+$/.test(t) && n >= min && n <= max ? n : undefined;
  });
}

/** A number that need not be whole, such as a dial's percentage. */
export function decimal(min: number, max: number): Kind<number> {
  return kind(`a number from ${min} to ${max}`, (t) => {
    const n = Number(t);
    return /^\d+(\.\d+)?$/.test(t) && n >= min && n <= max ? n : undefined;
  });
}

export function oneOf<const T extends string>(...words: T[]): Kind<T> {
  return kind(`one of ${words.join(", ")}`, (t) => words.find((word) => word === t));
}

function millisecondsOf(t: string): number {
  const [, amount, unit = "ms"] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(t) ?? [];
  return Math.round(Number(amount) * (seconds[unit] ?? Number.NaN) * 1000);
}

/** As one would write it: in the largest unit of which it is a whole number. */
function durationOf(ms: number): string {
  const units = Object.keys(seconds).map((unit) => ({ unit, of: millisecondsOf(`1${unit}`) }));
  const { unit, of } = units.findLast((one) => ms > 0 && ms % one.of === 0) ?? { unit: "ms", of: 1 };
  return `${ms / of}${unit}`;
}

/** `250ms`, `4s`, `15m`, `24h`, or bare milliseconds; the value is milliseconds. */
export function duration(minMs = 0, maxMs = 30 * 86_400_000): Kind<number> {
  const within = (ms: number) => ms >= minMs && ms <= maxMs;
  const example = ["250ms", "4s", "15m"].find((one) => within(millisecondsOf(one))) ?? durationOf(maxMs);
  return kind(`a duration from ${durationOf(minMs)} to ${durationOf(maxMs)}, such as ${example}`, (t) => {
    const ms = millisecondsOf(t);
    return within(ms) ? ms : undefined;
  });
}

/** A TTL of what is kept in Redis for a while, in whole seconds, as the names `TTL_…=300` are written. */
export const ttl = integer(1, 30 * 86_400);

export interface Limit {
  points: number;
  seconds: number;
}

export const limit = kind<Limit>("a limit such as 20/15m (how many / how long)", (t) => {
  const [, points, amount, unit = "s"] = /^(\d+)\/(\d+)(s|m|h)?$/.exec(t) ?? [];
  const window = Number(amount) * (seconds[unit] ?? Number.NaN);
  return Number(points) > 0 && window > 0 ? { points: Number(points), seconds: window } : undefined;
});

export const list = kind("a comma separated list", (t) =>
  t
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean),
);

export interface HostPort {
  host: string;
  port: number;
}

function hostPort(t: string): HostPort | undefined {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(t.trim()) ?? [];
  const host = six ?? four;
  return host && Number(port) > 0 && Number(port) < 65_536 ? { host, port: Number(port) } : undefined;
}

export const hosts = kind<HostPort[]>("host:port,host:port,…", (t) => {
  if (t === "") return [];
  const parsed = t.split(",").map(hostPort);
  return parsed.every((item) => item !== undefined) ? parsed : undefined;
});

export interface SentinelAddress {
  name: string;
  hosts: HostPort[];
}

export const sentinel = kind<SentinelAddress | null>("master@host:port,host:port,… or master,host:port,…", (t) => {
  if (t === "") return null;
  const [, name, rest = ""] = /^([^@,\s]+)[@,](.+)$/.exec(t) ?? [];
  const parsed = rest.split(",").map(hostPort);
  return name && parsed.every((item) => item !== undefined) ? { name, hosts: parsed } : undefined;
});

export function url(...protocols: string[]): Kind<string> {
  return kind(`a URL that starts with ${protocols.map((p) => `${p}://`).join(" or ")}`, (t) => {
    if (t === "") return t;
    return protocols.some((p) => t.startsWith(`${p}://`) && t.length > p.length + 3) ? t : undefined;
  });
}
