import { inspect } from "node:util";
import type { ChangeStreamDocument, Document } from "mongodb";
import { SluiceError } from "../kernel/errors.ts";

export interface AppCacheOptions<T = unknown> {
  /** Letters, digits, ".", "_" and "-": also part of its keys in Redis, `<prefix><name>:<key>`. */
  name: string;
  /** Whole seconds, at least 1. */
  ttlSeconds: number;
  /** A field of the value, a whole number that grows with each write: then what is written goes into Redis as it is. */
  version?: string;
  /** The JSON that is sent; default `JSON.stringify`. Needed where the app has "json replacer", "json escape" or "json spaces". */
  stringify?: (value: T) => string;
  /** Writes past `writeThrough` that MongoDB's change stream tells of; needs a replica set. */
  follow?: {
    collection: string;
    /** The key of the value that the change is of; undefined: of none. */
    key(change: ChangeStreamDocument<Document>): string | undefined;
  };
}

interface Rule {
  field: string;
  got: unknown;
  good: boolean;
  takes: string;
}

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isFunction = (value: unknown) => typeof value === "function";

/** Throws for the first that is not good. */
function demand(of: string, rules: readonly Rule[]): void {
  const broken = rules.find(({ good }) => !good);
  if (!broken) return;
  const { field, got, takes } = broken;
  const shown = inspect(got, { depth: 0, maxStringLength: 100 });
  throw new SluiceError("CACHE_OPTIONS", `${of}, ${field}: ${shown} cannot be used; it takes ${takes}.`);
}

/** `taken`: the names that there are already. */
export function checkCache<T>(options: AppCacheOptions<T>, taken: { has(name: string): boolean }): void {
  const { name, ttlSeconds, version, stringify, follow } = options;
  // The bus tells the name from the key by the first colon; braces would move a key to another place of a cluster.
  const plain = isText(name) && /^[\w.-]+$/.test(name);
  const seconds = Number.isSafeInteger(ttlSeconds) && ttlSeconds > 0;
  demand("caches.create", [
    { field: "name", got: name, good: plain, takes: 'letters, digits, ".", "_" and "-"' },
    { field: "name", got: name, good: !taken.has(name), takes: "a name that no other of these caches has" },
    { field: "ttlSeconds", got: ttlSeconds, good: seconds, takes: "a whole number of seconds, at least 1" },
    {
      field: "version",
      got: version,
      good: version === undefined || isText(version),
      takes: "the name of a field of the value",
    },
    {
      field: "stringify",
      got: stringify,
      good: stringify === undefined || isFunction(stringify),
      takes: "a function that makes JSON of a value",
    },
    {
      field: "follow.collection",
      got: follow?.collection,
      good: follow === undefined || isText(follow?.collection),
      takes: "the name of the collection whose changes are followed",
    },
    {
      field: "follow.key",
      got: follow?.key,
      good: follow === undefined || isFunction(follow?.key),
      takes: "a function that makes a key of a change",
    },
  ]);
}

export function checkPrefix(prefix: string): void {
  const good = isText(prefix) && !/[{}]/.test(prefix);
  demand("openCaches", [{ field: "prefix", got: prefix, good, takes: 'text without "{" and "}"' }]);
}
