import type { MongoClientOptions } from "mongodb";
import { SluiceError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { GivenClient, GivenDb } from "../mongo/given.ts";
import type { RedisPlace } from "../redis/open.ts";
import { kindOf } from "../redis/place.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { CodecOptions } from "./codec.ts";
import type { StepDownLimits } from "./dial/step-down.ts";
import type { RolloutOptions } from "./parts.ts";
import { type DialSettings, defaultTiming, type SessionDial } from "./types.ts";

/** connect-mongo's options, by their own names and with its defaults, and where Redis is. */
export interface SessionStoreOptions extends CodecOptions {
  /** One of the three says where the sessions are; of a client, `dbName` or the database of its URL. */
  mongoUrl?: string;
  client?: GivenClient;
  db?: GivenDb;
  mongoOptions?: MongoClientOptions;
  dbName?: string;
  /** Default `sessions`. */
  collectionName?: string;
  /** Seconds that a session lives whose cookie has no end; default 14 days, as connect-mongo's. */
  ttl?: number;
  /** In seconds. */
  touchAfter?: number;
  timestamps?: boolean;
  transformId?: (sid: string) => string;
  /** native: an index removes what has expired, which is made when it is missing. Default native. */
  autoRemove?: "native" | "disabled";

  /** A URL, an environment with `REDIS_…` in it, or a door that is yours. Without any, MongoDB answers everything. */
  redis?: RedisPlace | RedisDoor | undefined;
  /** Of the keys in Redis; default `session:`. */
  prefix?: string;
  /** Where the dial stands until it is turned for the first time; default `serve` at 0. */
  dial?: Partial<DialSettings>;
  /** Your own dial, instead of the settings in MongoDB that the operator's commands change. */
  settings?: SessionDial;
  /** When the dial steps down by itself; false: never. */
  stepDown?: StepDownLimits | false;
  /** This process in `sluice status`; default host and process id. */
  serverId?: string;
  version?: string;
  /** Default: warnings and errors on the console. */
  log?: Log;
  timing?: NonNullable<RolloutOptions["timing"]>;
  deadlines?: NonNullable<RolloutOptions["deadlines"]>;
}

interface Kind {
  readonly takes: string;
  fits(value: unknown): boolean;
  /** A text that is given instead may be shown: it is no secret. */
  readonly shown?: true;
}

const number = (takes: string, fits: (value: number) => boolean): Kind => ({
  takes,
  shown: true,
  fits: (value) => typeof value === "number" && fits(value),
});
const oneOf = (takes: string, ...values: unknown[]): Kind => ({
  takes,
  shown: true,
  fits: (value) => values.includes(value),
});
/** An object with these functions in it, if any. */
const object = (takes: string, ...functions: string[]): Kind => ({
  takes,
  fits: (value) =>
    typeof value === "object" &&
    value !== null &&
    functions.every((name) => typeof (value as Record<string, unknown>)[name] === "function"),
});
/** An object of these fields, not all of which need be there. */
const fields = (takes: string, fits: (field: unknown) => boolean, ...names: string[]): Kind => ({
  takes,
  fits: (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(([name, field]) => names.includes(name) && (field === undefined || fits(field))),
});
const isAmount = (field: unknown) => typeof field === "number" && field >= 0;
const amounts = (of: string, ...names: string[]) =>
  fields(`an object of ${of}: ${names.join(", ")}`, isAmount, ...names);
const flag = oneOf("true or false", true, false);
const text: Kind = { takes: "text", fits: (value) => typeof value === "string" };
const name: Kind = { takes: "text that is not empty", fits: (value) => typeof value === "string" && value !== "" };
/** In a cluster, braces would part a copy from its lease. */
const keyText: Kind = {
  takes: "text without { and }",
  fits: (value) => typeof value === "string" && !/[{}]/.test(value),
};
const callable: Kind = { takes: "a function", shown: true, fits: (value) => typeof value === "function" };
const anything: Kind = { takes: "anything", fits: () => true };

const limits = amounts("numbers", "windowMs", "errors", "latencyMs", "missing");

const kinds: { readonly [option in keyof Required<SessionStoreOptions>]: Kind } = {
  mongoUrl: name,
  client: object("a MongoClient that is there already; mongoose has it as mongoose.connection.getClient()", "db"),
  db: object("a Db of the MongoDB driver; mongoose has it as mongoose.connection.db", "collection"),
  mongoOptions: object("an object of the MongoDB driver's options"),
  dbName: name,
  collectionName: name,
  ttl: number("seconds as a number above 0", (seconds) => seconds > 0 && seconds < Number.POSITIVE_INFINITY),
  touchAfter: number("seconds as a number, 0 for at every touch", (seconds) => seconds >= 0),
  timestamps: flag,
  transformId: callable,
  autoRemove: oneOf('"native", an index that removes what has expired, or "disabled"', "native", "disabled"),
  stringify: flag,
  serialize: callable,
  unserialize: callable,
  crypto: object("an object with the secret in it"),
  cryptoAdapter: object("an object with the functions encrypt and decrypt", "encrypt", "decrypt"),
  // Judged where it is opened.
  redis: anything,
  prefix: keyText,
  // What is in it is judged with the dial that it is put into.
  dial: fields("an object of mode, percent, oldServers", () => true, "mode", "percent", "oldServers"),
  settings: object("a dial, such as createDial makes", "onChange"),
  stepDown: { takes: `${limits.takes}, or false for never`, fits: (value) => value === false || limits.fits(value) },
  serverId: name,
  version: text,
  log: object("an object with the functions debug, info, warn and error", "debug", "info", "warn", "error"),
  timing: amounts("milliseconds", ...Object.keys(defaultTiming)),
  deadlines: amounts("milliseconds", "operationMs", "redisMs"),
};

/** What connect-mongo has and this store has not, and what to do instead. */
const instead: Record<string, string> = {
  clientPromise: "await it, and give what it comes to as client",
  autoRemoveInterval: "leave it out; MongoDB removes what has expired by an index",
  createAutoRemoveIdx: "give autoRemove",
  writeOperationOptions: "leave it out; every write waits for the majority",
};

const refused = (what: string) => new SluiceError("SESSION_OPTIONS", what);

function shownAs(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value);
}

function check(option: string, value: unknown): void {
  if (!Object.hasOwn(kinds, option)) {
    const advice = instead[option] ?? `it takes ${Object.keys(kinds).join(", ")}`;
    throw refused(`${option}: rolloutStore has no such option; ${advice}.`);
  }
  const { takes, fits, shown } = kinds[option as keyof typeof kinds];
  if (value === undefined || fits(value)) return;
  throw refused(`${option}: got ${shown ? shownAs(value) : kindOf(value)}; it takes ${takes}.`);
}

/** Apps are not all written in TypeScript, and what connect-mongo has let pass would end sessions here, or keep them for ever. */
export function checkOptions(options: SessionStoreOptions): void {
  if (typeof options !== "object" || options === null)
    throw refused(`rolloutStore takes an object of options, such as mongoUrl and redis; it got ${kindOf(options)}.`);
  for (const [option, value] of Object.entries(options)) check(option, value);
}
