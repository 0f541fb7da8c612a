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

const fresh = () => randomBytes(32).toString("hex");

/** The configured secrets, or ones made once and kept in the data folder, so that a restart logs nobody out. */
export function loadSecrets(config: Config): Secrets {
  const session = config.SESSION_SECRET.split(",").filter(Boolean);
  if (config.JWT_SECRET && session.length > 0) return { jwt: config.JWT_SECRET, session };
  const file = join(config.DATA_DIR, "secrets.json");
  const found = readKept(file);
  const kept: Kept = { jwt: found.jwt ?? fresh(), session: found.session ?? fresh() };
  if (!found.jwt || !found.session) {
    mkdirSync(config.DATA_DIR, { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify(kept), { mode: 0o600 });
  }
  return { jwt: config.JWT_SECRET || kept.jwt, session: session.length > 0 ? session : [kept.session] };
}
