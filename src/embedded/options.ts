import { homedir } from "node:os";
import { join } from "node:path";
import type { Log } from "../kernel/log.ts";

export interface EmbeddedOptions {
  /** Where the data is kept between starts. */
  dataDir: string;
  /** Where downloaded programs are kept, see `defaultCacheDir`. */
  cacheDir: string;
  /** PATH, where programs are looked for. */
  searchPath: string;
  /** One way of getting a program takes at most this long. */
  downloadTimeoutMs: number;
  log: Log;
  /** Prints one line of plain words for the person who starts it. */
  say(line: string): void;
  /** Prints how far a download is; `say` when not given. */
  onProgress?: (line: string) => void;
}

export interface EmbeddedDatabase {
  url: string;
  /** Where its program was found, in words. */
  source: string;
  version: string;
  close(): Promise<void>;
}

/** `$XDG_CACHE_HOME/sluice`, or `~/.cache/sluice`. */
export function defaultCacheDir(xdgCacheHome?: string, home = homedir()): string {
  return join(xdgCacheHome || join(home, ".cache"), "sluice");
}
