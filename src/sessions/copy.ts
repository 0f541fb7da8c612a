import type { Version } from "./version.ts";

/**
 * A copy in Redis is the session's JSON, which a stock connect-redis reads, with our mark in front, where a script finds
 * it without parsing: `{"cookie":{"~":"<MongoDB's expiry> <epoch> <version>",…`. A stock `set` drops the mark.
 */
export interface Mark {
  /** When the session ends in MongoDB, as far as known, in ms. */
  readonly expires: number;
  readonly epoch: number;
  readonly version: Version;
  /** `cookie.expires` was a Date, and is to be one again. */
  readonly dated: boolean;
}

const IN_COOKIE = '{"cookie":{"~":"';
const AT_TOP = '{"~":"';
const COOKIE = '{"cookie":{';
const EXPIRES_DIGITS = 13;
const LATEST = 9_999_999_999_999;

function markText({ expires, epoch, version, dated }: Mark): string {
  const until = String(Math.min(Math.max(Math.floor(expires), 0), LATEST)).padStart(EXPIRES_DIGITS, "0");
  return `${until}${dated ? "d" : " "}${epoch} ${version}`;
}

const joined = (head: string, rest: string) => `${head}"${rest.startsWith("}") ? "" : ","}${rest}`;

/** Brings the cookie to the front; undefined when there is none. */
function cookieFirst(json: string): string | undefined {
  const { cookie, ...rest } = JSON.parse(json) as { cookie?: unknown };
  return typeof cookie === "object" && cookie !== null ? JSON.stringify({ cookie, ...rest }) : undefined;
}

/** The copy of a session's JSON, which must be that of an object. */
export function writeCopy(json: string, mark: Mark): string {
  const text = json.startsWith(COOKIE) ? json : (cookieFirst(json) ?? json);
  if (text.startsWith(COOKIE)) return joined(IN_COOKIE + markText(mark), text.slice(COOKIE.length));
  return joined(AT_TOP + markText(mark), text.slice(1));
}

export interface ReadCopy extends Mark {
  /** As it was before the mark was put in. */
  readonly json: string;
}

/** undefined: it has no mark, so somebody else wrote it. */
export function readCopy(text: string): ReadCopy | undefined {
  const inCookie = text.startsWith(IN_COOKIE);
  if (!inCookie && !text.startsWith(AT_TOP)) return undefined;
  const from = inCookie ? IN_COOKIE.length : AT_TOP.length;
  const to = text.indexOf('"', from);
  const middle = from + EXPIRES_DIGITS + 1;
  const space = text.indexOf(" ", middle);
  if (to < 0 || space < 0 || space > to) return undefined;
  const rest = text.charCodeAt(to + 1) === 44 ? to + 2 : to + 1;
  return {
    expires: Number(text.slice(from, from + EXPIRES_DIGITS)),
    dated: text[middle - 1] === "d",
    epoch: Number(text.slice(middle, space)),
    version: text.slice(space + 1, to),
    json: (inCookie ? COOKIE : "{") + text.slice(rest),
  };
}
