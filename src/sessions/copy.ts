import type { Base } from "./bases.ts";
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
const COMMA = 44;

/** As it stands in a mark, where a script can put another in its place. */
export function expiryText(expires: number): string {
  return String(Math.min(Math.max(Math.floor(expires), 0), LATEST)).padStart(EXPIRES_DIGITS, "0");
}

const markText = ({ expires, epoch, version, dated }: Mark) =>
  `${expiryText(expires)}${dated ? "d" : " "}${epoch} ${version}`;

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

/** A copy as it was read; its parts are cut out when they are asked for, as most reads need but two of them. */
export class ReadCopy implements Mark, Base {
  id = "";
  readonly #text: string;
  readonly #from: number;
  readonly #to: number;

  constructor(text: string, from: number, to: number) {
    this.#text = text;
    this.#from = from;
    this.#to = to;
  }
  get #epochAt(): number {
    return this.#from + EXPIRES_DIGITS + 1;
  }
  get #versionAt(): number {
    return this.#text.indexOf(" ", this.#epochAt) + 1;
  }
  /** Whether it was written in the epoch whose number begins and ends `epoch`, a blank after it. */
  isOf(epoch: string): boolean {
    return this.#text.startsWith(epoch, this.#epochAt);
  }
  get expires(): number {
    return Number(this.#text.slice(this.#from, this.#from + EXPIRES_DIGITS));
  }
  get epoch(): number {
    return Number(this.#text.slice(this.#epochAt, this.#versionAt - 1));
  }
  get version(): Version {
    return this.#text.slice(this.#versionAt, this.#to);
  }
  get dated(): boolean {
    return this.#text[this.#epochAt - 1] === "d";
  }
  /** As it was before the mark was put in. */
  get json(): string {
    const rest = this.#text.charCodeAt(this.#to + 1) === COMMA ? this.#to + 2 : this.#to + 1;
    return (this.#from === AT_TOP.length ? "{" : COOKIE) + this.#text.slice(rest);
  }
}

/** undefined: it has no mark, so somebody else wrote it. */
export function readCopy(text: string): ReadCopy | undefined {
  const from = text.startsWith(IN_COOKIE) ? IN_COOKIE.length : text.startsWith(AT_TOP) ? AT_TOP.length : 0;
  const to = text.indexOf('"', from);
  return from > 0 && to > from + EXPIRES_DIGITS + 2 ? new ReadCopy(text, from, to) : undefined;
}
