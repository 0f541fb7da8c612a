import { SluiceError } from "../../kernel/errors.ts";
import { refuse } from "../services/errors.ts";

interface FieldError {
  type: "field";
  value?: unknown;
  msg: string;
  path: string;
  location: "body";
}

/** A body that cannot be accepted, with every field that is wrong. */
export class InvalidBody extends SluiceError {
  readonly answer: { errors: FieldError[]; error: string; message: string; code: string };
  constructor(errors: FieldError[]) {
    const message = errors[0]?.msg ?? "The body is invalid";
    super("VALIDATION", message);
    this.answer = { errors, error: message, message, code: "VALIDATION" };
  }
}

type Check<T> = (value: unknown) => { value: T } | { msg: string };
type Checks<T> = { [K in keyof T]-?: Check<T[K]> };

/** Values that are safe to send back: short text, but never a password. */
function shown(path: string, value: unknown): { value?: unknown } {
  const harmless = typeof value === "string" && value.length <= 200 && path !== "password";
  return harmless || typeof value === "number" ? { value } : {};
}

/** Reads the named fields of a body; throws `InvalidBody` with all that is wrong. */
export function readBody<T extends object>(body: unknown, checks: Checks<T>): T {
  const source = typeof body === "object" && body !== null && !Array.isArray(body) ? body : {};
  const errors: FieldError[] = [];
  const result: Partial<T> = {};
  for (const path of Object.keys(checks) as (keyof T & string)[]) {
    const value = Object.hasOwn(source, path) ? (source as Record<string, unknown>)[path] : undefined;
    const end = checks[path](value);
    if ("value" in end) result[path] = end.value;
    else errors.push({ type: "field", ...shown(path, value), msg: end.msg, path, location: "body" });
  }
  if (errors.length > 0) throw new InvalidBody(errors);
  return result as T;
}

const bad = (msg: string) => ({ msg });
const good = <T>(value: T) => ({ value });

export function textField(label: string, min: number, max: number, { trim = false } = {}): Check<string> {
  return (raw) => {
    if (typeof raw !== "string") return bad(`${label} must be text`);
    // MongoDB stores no lone surrogates; what is answered must equal what is stored.
    const whole = Buffer.from(raw).toString();
    const value = trim ? whole.trim() : whole;
    const length = [...value.trim()].length;
    return length >= min && value.length <= max
      ? good(value)
      : bad(`${label} must be ${min} to ${max} characters long`);
  };
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (raw) => (raw === undefined || raw === null || raw === "" ? good(undefined) : check(raw));
}

export function oneOf<const T extends string>(label: string, words: readonly T[]): Check<T> {
  return (raw) => {
    const word = words.find((candidate) => candidate === raw);
    return word === undefined ? bad(`${label} must be one of ${words.join(", ")}`) : good(word);
  };
}

export function wholeNumber(label: string, min: number, max: number): Check<number> {
  return (raw) => {
    const n = typeof raw === "string" && /^\d{1,15}$/.test(raw) ? Number(raw) : raw;
    if (typeof n === "number" && Number.isInteger(n) && n >= min && n <= max) return good(n);
    return bad(`${label} must be a whole number from ${min} to ${max}`);
  };
}

export function and<T>(check: Check<T>, holds: (value: T) => boolean, msg: string): Check<T> {
  return (raw) => {
    const end = check(raw);
    return "value" in end && !holds(end.value) ? bad(msg) : end;
  };
}

export const emailField: Check<string> = (raw) => {
  const value = typeof raw === "string" ? raw.trim() : "";
  const looksRight =
    value.length <= 254 && /^[^\s@<>(),;:"[\]\\]+@[^\s@.<>(),;:"[\]\\]+(\.[^\s@.<>(),;:"[\]\\]+)+$/.test(value);
  return looksRight ? good(value) : bad("Please give a valid e-mail address");
};

/** A whole number of the query; absent is `fallback`. */
export function queryNumber(raw: unknown, name: string, range: { min: number; max: number; fallback: number }): number {
  if (raw === undefined) return range.fallback;
  const end = wholeNumber(name, range.min, range.max)(raw);
  if ("msg" in end) throw refuse.invalid(end.msg);
  return end.value;
}
