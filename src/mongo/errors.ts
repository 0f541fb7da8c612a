import { UnavailableError } from "../kernel/errors.ts";

/** Told by what it can do: an app may bring a driver of its own, whose classes are not ours. */
interface DriverError extends Error {
  code?: unknown;
  keyPattern?: unknown;
  errorResponse?: unknown;
  hasErrorLabel(label: string): boolean;
}

const isDriverError = (error: unknown): error is DriverError =>
  error instanceof Error && "hasErrorLabel" in error && typeof error.hasErrorLabel === "function";

/** An answer of the server, and no trouble of the driver on the way to it. */
export const isServerError = (error: unknown): error is DriverError & { code: number } =>
  isDriverError(error) && typeof error.code === "number";

const unreachable = new Set([
  "MongoNetworkError",
  "MongoNetworkTimeoutError",
  "MongoServerSelectionError",
  "MongooseServerSelectionError",
  "MongoWaitQueueTimeoutError",
  "MongoOperationTimeoutError",
  "MongoPoolClearedError",
  "MongoPoolClosedError",
  "PoolClearedOnNetworkError",
  "MongoServerClosedError",
  "MongoTopologyClosedError",
  "MongoNotConnectedError",
  "MongoClientClosedError",
  // What a call under way meets when its link is closed.
  "MongoExpiredSessionError",
]);

// A socket that ends while the driver writes to it is passed on as it is.
const socketEnds = /^(E(CONN\w+|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)|ERR_(STREAM|SOCKET)_\w+)$/;

// The server's own words for: stepping down, shutting down, too slow, no majority, no room, asked for less.
const passing = new Set([
  6, 7, 50, 64, 89, 91, 100, 133, 134, 189, 202, 262, 290, 384, 462, 8000, 9001, 10058, 10107, 11600, 11602, 13435,
  13436, 14031,
]);

function isPassing(error: Error): boolean {
  if (error instanceof UnavailableError) return true;
  if (unreachable.has(error.name)) return true;
  if (!isDriverError(error)) return "code" in error && socketEnds.test(String(error.code));
  if (error.hasErrorLabel("RetryableWriteError") || error.hasErrorLabel("SystemOverloadedError")) return true;
  return isServerError(error) && passing.has(error.code);
}

/** A bulk write keeps what stopped it as the answer it got. */
function behind(error: Error): unknown {
  return error.cause ?? (isDriverError(error) ? error.errorResponse : undefined);
}

/** MongoDB gave no answer that counts, for a reason that passes: the request is answered by 503 and may be tried again. */
export function isUnavailable(error: unknown): boolean {
  let at = error;
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    if (isPassing(at)) return true;
    at = behind(at);
  }
  return false;
}

const dupKey = [/dup key: \{ "?(\w+)"?:/, /index: (?:\S+\$)?(\w+?)_-?1\b/];

/** The field whose unique index refused a write; undefined when that is not what happened. */
export function duplicateKey(error: unknown): string | undefined {
  if (!isServerError(error) || (error.code !== 11000 && error.code !== 11001)) return undefined;
  const pattern: unknown = error.keyPattern;
  const field = typeof pattern === "object" && pattern !== null ? Object.keys(pattern)[0] : undefined;
  // A bulk write and servers before 4.2 tell it in the message only.
  return field ?? dupKey.map((words) => words.exec(error.message)?.[1]).find(Boolean) ?? "_id";
}
