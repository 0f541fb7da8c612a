import type { MongoClient } from "mongodb";
import mongoose from "mongoose";
import { messageOf, StartError, UnavailableError } from "../kernel/errors.ts";

const { MongoServerError, MongoServerSelectionError } = mongoose.mongo;

/** Where the client looks for its servers; user, password and options of the URL are not in it. */
export function hostsOf({ options }: MongoClient): string {
  return options.srvHost ?? options.hosts.map(String).join(",");
}

function reasonOf(error: unknown): string {
  if (error instanceof UnavailableError) return "";
  if (!(error instanceof MongoServerSelectionError)) return messageOf(error);
  const servers = [...(error.reason?.servers.values() ?? [])];
  const told = servers.find((server) => server.error)?.error?.message;
  return told ?? (servers.every(({ type }) => type === "Unknown") ? "" : "none of its members is primary");
}

function bracketed(reason: string, secret: string | undefined): string {
  return reason === "" || (secret && reason.includes(secret)) ? "" : ` (${reason.replace(/\s+/g, " ")})`;
}

/** Trying again cannot help. 18: login refused; 8000: the same from Atlas. */
export function isRefusal(error: unknown): boolean {
  return error instanceof MongoServerError && (error.code === 18 || error.code === 8000);
}

/** What the driver says of a URL may quote its password, so only what it says of option names is repeated. */
export function unusableUrl(error: unknown): StartError {
  const reason = messageOf(error);
  const detail = /^options? [\w, ]+ (is|are) not supported$/.test(reason) ? `: ${reason}` : "";
  const takes = "mongodb://user:password@host:port/database, with user and password percent-encoded";
  return new StartError(`MONGODB_URL cannot be used${detail}. It takes ${takes}.`);
}

/** One plain line that names the server, the reason and the remedy. */
export function noStart(client: MongoClient, error: unknown, waitedMs: number): StartError {
  const hosts = hostsOf(client);
  const why = bracketed(reasonOf(error), client.options.credentials?.password);
  if (isRefusal(error))
    return new StartError(`MongoDB at ${hosts} refuses the login${why}. Correct user and password in MONGODB_URL.`);
  const seconds = Math.round(waitedMs / 100) / 10;
  return new StartError(
    `MongoDB at ${hosts} did not answer within ${seconds} s${why}. Start it, or correct MONGODB_URL.`,
  );
}
