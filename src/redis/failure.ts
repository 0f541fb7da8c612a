import {
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  ErrorReply,
  SocketClosedUnexpectedlyError,
} from "redis";
import type { Unavailable } from "./types.ts";

/** What an error says of the server, beyond the one command. */
export type Verdict =
  /** Nothing: the command itself was wrong. */
  | "fine"
  /** It refuses writes; what it answers to reads is right. */
  | "readonly"
  /** The user may not run this one command. */
  | "denied"
  /** It cannot be used. */
  | "unusable";

export interface Failure {
  readonly verdict: Verdict;
  readonly answer: Unavailable;
  /** In our own words, for everybody: what others wrote may hold an address or a secret. */
  readonly words: string;
}

const words: Record<string, [Verdict, string]> = {
  OOM: ["readonly", "Redis refuses writes: its memory is full (OOM)"],
  READONLY: ["readonly", "Redis refuses writes: it is a read-only replica (READONLY)"],
  MISCONF: ["readonly", "Redis refuses writes: it cannot save to disk (MISCONF)"],
  NOREPLICAS: ["readonly", "Redis refuses writes: too few replicas are connected (NOREPLICAS)"],
  LOADING: ["unusable", "Redis is loading its data (LOADING)"],
  BUSY: ["unusable", "Redis is busy with a script (BUSY)"],
  CLUSTERDOWN: ["unusable", "the cluster is down (CLUSTERDOWN)"],
  MASTERDOWN: ["unusable", "the replica has lost its master (MASTERDOWN)"],
  NOAUTH: ["unusable", "Redis asks for a password (NOAUTH): set REDIS_PASSWORD, for sentinels REDIS_SENTINEL_PASSWORD"],
  WRONGPASS: ["unusable", "Redis refuses user or password (WRONGPASS)"],
  NOPERM: ["denied", "the Redis user lacks a right (NOPERM)"],
};

const network: Record<string, string> = {
  ECONNREFUSED: "the connection is refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "the connection timed out",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name cannot be looked up now",
};

/** The first that fits the code counts. */
const secrecy: [RegExp, string][] = [
  [/ALERT_CERTIFICATE_REQUIRED/, "it wants a certificate of its clients (CODE): set tls-auth-clients no at Redis"],
  [/ALTNAME/, "its certificate is for another host (CODE): it must name each host by the name or address that we call"],
  [/CERT|SIGN|ISSUER/, "its certificate is not trusted (CODE): see REDIS_CA_FILE"],
  [/^ERR_SSL|^EPROTO/, "it does not speak TLS as we do (CODE): if it speaks none, use redis:// and no REDIS_TLS"],
];

/** Replies that have no code of their own. The server repeats the words of a command that it does not know. */
const replies: [RegExp, Verdict, string][] = [
  [/max number of clients/, "unusable", "Redis has no room for more connections"],
  [/unknown command/i, "fine", "Redis does not know a command that is needed: 6.2 or newer, no command renamed"],
  [
    /DB index is out of range/,
    "unusable",
    "Redis has no database of that number: correct REDIS_DB, or what stands behind the port in REDIS_URL",
  ],
];

/** The word a Redis error begins with; before 7.0 a script's inner error hides in the middle of the text. */
function codeOf(message: string): string {
  const inner = /(?:^|[ '"]-)(OOM|READONLY|MISCONF|NOREPLICAS|NOPERM|CLUSTERDOWN)\b/.exec(message)?.[1];
  return inner ?? /^[A-Z]+/.exec(message)?.[0] ?? "";
}

function describeReply(error: Error): [Verdict, string] {
  const known = words[codeOf(error.message)];
  if (known) return known;
  const [, verdict = "fine", text] = replies.find(([pattern]) => pattern.test(error.message)) ?? [];
  return [verdict, text ?? `Redis answers with an error (${codeOf(error.message) || "without a code"})`];
}

/** A connection's end in our own words; error texts of the network name addresses, so only their codes are used. */
export function describeLoss(error: unknown): string {
  if (error instanceof ErrorReply) return describeReply(error)[1];
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (network[code]) return network[code];
  const known = secrecy.find(([pattern]) => pattern.test(code));
  if (known) return known[1].replace("CODE", code);
  if (error instanceof LinkError) return error.message;
  return "the connection was lost";
}

/** The error as the log may have it: one that repeats a greeting would repeat the password, and our own is in words already. */
export function traceOf(error: unknown): Error | undefined {
  if (!(error instanceof Error) || error instanceof LinkError) return undefined;
  return error instanceof ErrorReply && /unknown command/i.test(error.message) ? undefined : error;
}

/** A connection that we gave up ourselves; its message is in our own words, and holds no address. */
export class LinkError extends Error {}

/** What came of a call that was sent and rejected. `script`: it may have written before it failed. */
export function judge(error: unknown, script: boolean): Failure {
  const cause = error instanceof Error ? error : new Error(String(error));
  if (error instanceof ErrorReply) {
    const [verdict, text] = describeReply(error);
    const reason = verdict === "fine" ? "failed" : verdict === "unusable" ? "down" : "refused";
    const unknownOutcome = verdict === "fine" && script;
    return { verdict, words: text, answer: { ok: false, reason, unknownOutcome, error: cause } };
  }
  const unsent = error instanceof ClientClosedError || error instanceof ClientOfflineError;
  const full = cause.message === "The queue is full";
  const reason = unsent || isLoss(cause) ? "down" : full ? "refused" : "failed";
  return {
    verdict: "fine",
    words: describeLoss(error),
    answer: { ok: false, reason, unknownOutcome: !unsent && !full, error: cause },
  };
}

function isLoss(error: Error): boolean {
  const code = "code" in error ? String(error.code) : "";
  return (
    error instanceof LinkError ||
    error instanceof SocketClosedUnexpectedlyError ||
    error instanceof DisconnectsClientError ||
    error instanceof ConnectionTimeoutError ||
    code in network
  );
}
