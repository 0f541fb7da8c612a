import { hash } from "node:crypto";
import { type CryptoAdapter, type CryptoOptions, createKrupteinAdapter } from "connect-mongo";
import type { SessionData } from "express-session";
import mongoose from "mongoose";
import { SluiceError } from "../kernel/errors.ts";
import { isPlain, withNulls } from "./plain.ts";

/** connect-mongo's options on how a session is stored, by their own names. */
export interface CodecOptions {
  /** false: as an object instead of a JSON string. */
  stringify?: boolean;
  serialize?: (session: SessionData) => unknown;
  unserialize?: (stored: unknown) => SessionData;
  crypto?: CryptoOptions;
  cryptoAdapter?: CryptoAdapter;
}

type Soon<T> = T | Promise<T>;

/** What a copy in Redis holds; `dated`: `cookie.expires` is a Date in MongoDB. */
export interface Portable {
  readonly json: string;
  readonly dated: boolean;
}

export interface Encoded {
  readonly stored: unknown;
  readonly hash: string;
  /** null: JSON cannot carry it, it is too large, or it takes a read to know, so that there is no copy for now. */
  readonly portable: Portable | null;
}

/** Between a session, what connect-mongo would store of it, and what connect-redis would. */
export interface Codec {
  encode(session: SessionData): Soon<Encoded>;
  decode(stored: unknown): Soon<SessionData>;
  hashOf(stored: unknown): string;
  portableOf(stored: unknown): Soon<Portable | null>;
  fromCopy(portable: Portable): Soon<SessionData>;
  /** `fromCopy` answers by a promise. */
  readonly slow: boolean;
}

const HASH_LENGTH = 16;
/** In characters: a larger copy keeps Redis, and who waits behind it, busy for longer than MongoDB takes. */
const LARGEST = 2 ** 20;
const notTooLarge = (portable: Portable | null) =>
  portable !== null && portable.json.length <= LARGEST ? portable : null;
const digest = (data: string | Uint8Array) => hash("sha1", data, "base64url").slice(0, HASH_LENGTH);

function hashOf(stored: unknown): string {
  return digest(
    typeof stored === "string" ? stored : mongoose.mongo.BSON.serialize({ stored }, { ignoreUndefined: false }),
  );
}

interface Mode {
  serialize(session: SessionData): unknown;
  unserialize(stored: unknown): SessionData;
  portable(stored: unknown): Portable | null;
  /** `portable` may be asked of what was just serialized, too. */
  atOnce: boolean;
}

const isObject = (json: string) => json.startsWith("{");

const asText: Mode = {
  serialize: (session) => JSON.stringify(session),
  unserialize: (stored) => JSON.parse(stored as string),
  portable: (stored) => (typeof stored === "string" && isObject(stored) ? { json: stored, dated: false } : null),
  atOnce: true,
};

function portableObject(session: unknown): Portable | null {
  const { cookie } = (session ?? {}) as { cookie?: { expires?: unknown } };
  const dated = cookie?.expires instanceof Date;
  const like = dated ? { ...(session as object), cookie: { ...cookie, expires: null } } : session;
  return isPlain(like) ? { json: JSON.stringify(session), dated } : null;
}

/** As connect-mongo: the cookie by its `toJSON`, everything else as it is. */
function toObject(session: SessionData): Record<string, unknown> {
  const cookie: unknown = session.cookie;
  const toJSON = (cookie as { toJSON?: () => unknown } | undefined)?.toJSON;
  return { ...session, cookie: typeof toJSON === "function" ? toJSON.call(cookie) : cookie };
}

/** JSON leaves out what is undefined, where the driver stores null. */
const asJson: Mode = {
  serialize: toObject,
  unserialize: (stored) => stored as SessionData,
  portable: portableObject,
  atOnce: true,
};

const asObject: Mode = { ...asJson, serialize: (session) => withNulls(toObject(session)) };

/** What an app's own functions make of a session is known only by reading it back. */
function custom({ serialize, unserialize }: CodecOptions): Mode {
  const back = unserialize ?? asObject.unserialize;
  return {
    serialize: serialize ?? toObject,
    unserialize: back,
    portable: (stored) => portableObject(back(stored)),
    atOnce: false,
  };
}

function revived({ json, dated }: Portable): SessionData {
  const session = JSON.parse(json) as SessionData;
  if (dated) session.cookie.expires = new Date(session.cookie.expires as unknown as string);
  return session;
}

function open(mode: Mode): Codec {
  const portableOf = (stored: unknown) => notTooLarge(mode.portable(stored));
  return {
    encode(session) {
      const stored = mode.serialize(session);
      return { stored, hash: hashOf(stored), portable: mode.atOnce ? portableOf(stored) : null };
    },
    decode: mode.unserialize,
    hashOf,
    portableOf,
    fromCopy: revived,
    slow: false,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What was encrypted, as the mode stored it: connect-mongo encrypts JSON, that of a string included. */
function opened(plaintext: string, { stringify, serialize, unserialize }: CodecOptions): unknown {
  const value = jsonOf(plaintext);
  if (stringify === false) return typeof value === "string" ? jsonOf(value) : value;
  if (serialize || unserialize) return value;
  return typeof value === "string" ? value : plaintext;
}

/** Copies stay as closed as what MongoDB holds: the same ciphertext, in a JSON of its own. */
function sealed(mode: Mode, adapter: CryptoAdapter, options: CodecOptions): Codec {
  const portableOf = (stored: unknown): Portable | null =>
    typeof stored === "string"
      ? notTooLarge({ json: JSON.stringify({ cookie: {}, sealed: stored }), dated: false })
      : null;
  async function decode(stored: unknown): Promise<SessionData> {
    if (typeof stored !== "string") return mode.unserialize(stored);
    return mode.unserialize(opened(await adapter.decrypt(stored), options));
  }
  return {
    async encode(session) {
      const plain = mode.serialize(session);
      const stored = await adapter.encrypt(typeof plain === "string" ? plain : JSON.stringify(plain));
      return { stored, hash: hashOf(stored), portable: portableOf(stored) };
    },
    decode,
    hashOf,
    portableOf,
    fromCopy: ({ json }) => decode((JSON.parse(json) as { sealed?: unknown }).sealed),
    slow: true,
  };
}

export function createCodec(options: CodecOptions = {}): Codec {
  const { serialize, unserialize, stringify = true, crypto, cryptoAdapter } = options;
  if (crypto && cryptoAdapter)
    throw new SluiceError("SESSION_OPTIONS", "crypto and cryptoAdapter exclude each other: give one of them.");
  const adapter = cryptoAdapter ?? (crypto && crypto.secret !== false ? createKrupteinAdapter(crypto) : undefined);
  const plain = stringify ? asText : adapter ? asJson : asObject;
  const mode = serialize || unserialize ? custom(options) : plain;
  return adapter ? sealed(mode, adapter, options) : open(mode);
}
