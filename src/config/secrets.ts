import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf, StartError } from "../kernel/errors.ts";
import type { Config } from "./load.ts";

export interface Secrets {
  jwt: string;
  /** Newest first: the first one signs, all of them verify. */
  session: string[];
}

interface Kept {
  jwt: string;
  session: string;
  console: string;
}

function readKept(file: string): Partial<Kept> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Partial<Kept>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new StartError(
      `${file} cannot be read (${messageOf(error)}). Delete it to have new secrets made; everybody logs in again then.`,
    );
  }
}

/** Made once and kept in the data folder, so that a restart logs nobody out. */
function kept({ DATA_DIR }: Config, ...names: (keyof Kept)[]): Partial<Kept> {
  const file = join(DATA_DIR, "secrets.json");
  const found = readKept(file);
  const missing = names.filter((name) => !found[name]);
  if (missing.length === 0) return found;
  const all = { ...found, ...Object.fromEntries(missing.map((name) => [name, randomBytes(32).toString("hex")])) };
  mkdirSync(DATA_DIR, { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(all), { mode: 0o600 });
  return all;
}

/** The configured secrets, or this machine's own. */
export function loadSecrets(config: Config): Secrets {
  const session = config.SESSION_SECRET.split(",").filter(Boolean);
  if (config.JWT_SECRET && session.length > 0) return { jwt: config.JWT_SECRET, session };
  const { jwt = "", session: own = "" } = kept(config, "jwt", "session");
  return { jwt: config.JWT_SECRET || jwt, session: session.length > 0 ? session : [own] };
}

export interface ConsoleTokens {
  full: string;
  /** Lets its holder look. */
  read?: string;
  /** Made here, for whoever sits at this machine. */
  made: boolean;
}

const shortestToken = 16;
const loopback = ["127.0.0.1", "::1", "localhost"];

/** Why nobody is let into the console, as the configuration is. */
export function consoleRefusal(config: Config): string | undefined {
  const { NODE_ENV, HOST, TRUST_PROXY, OPS_TOKEN: full, OPS_READ_TOKEN: read } = config;
  const production = NODE_ENV === "production";
  if (!full && production) return "OPS_TOKEN is not set";
  if (!full && !loopback.includes(HOST)) return `OPS_TOKEN is not set, and HOST=${HOST} lets other machines in`;
  // A proxy on this machine speaks for strangers.
  if (!full && TRUST_PROXY > 0) return "OPS_TOKEN is not set, and a proxy stands in front";
  if (production && [full, read].some((token) => token && token.length < shortestToken))
    return `OPS_TOKEN or OPS_READ_TOKEN is shorter than ${shortestToken} characters`;
  return full && full === read ? "OPS_READ_TOKEN is the same as OPS_TOKEN" : undefined;
}

/** The tokens of the console, or why nobody is let into it. */
export function consoleTokens(config: Config): ConsoleTokens | { refused: string } {
  const refused = consoleRefusal(config);
  if (refused) return { refused };
  const { OPS_TOKEN: full, OPS_READ_TOKEN: read } = config;
  const reading = read ? { read } : {};
  if (full) return { full, ...reading, made: false };
  return { full: kept(config, "console").console ?? "", ...reading, made: true };
}
