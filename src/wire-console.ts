import { createRequire } from "node:module";
import { join } from "node:path";
import type { RequestHandler } from "express";
import { explainKey } from "./cache/journal.ts";
import type { CacheRoom } from "./cache/room.ts";
import { flushCaches, switchCache } from "./cache/tools.ts";
import { type CacheName, cachePrefixes, keyedByChannel } from "./chat/caches/index.ts";
import { clientPages } from "./chat/routes/client.ts";
import { byAddress } from "./chat/routes/limits.ts";
import type { Config } from "./config/load.ts";
import { consoleTokens, type Secrets } from "./config/secrets.ts";
import { systemClock } from "./kernel/clock.ts";
import type { Log } from "./kernel/log.ts";
import type { SettingsStore } from "./mongo/settings-types.ts";
import { closedConsole, createConsole, type OperatorConsole } from "./ops/index.ts";
import type { KillSwitch } from "./redis/kill-switch.ts";
import { createLimiter } from "./redis/limiter.ts";
import type { RedisDoor } from "./redis/types.ts";
import { turnDial } from "./sessions/dial/change.ts";
import type { DialControl } from "./sessions/dial/control.ts";
import { abortRamp, startRamp } from "./sessions/dial/ramp.ts";
import { backfillSessions } from "./sessions/tools/backfill.ts";
import { importSessions } from "./sessions/tools/import.ts";
import { known } from "./sessions/tools/known.ts";
import type { Toolbox } from "./sessions/tools/toolbox.ts";
import { verifySessions } from "./sessions/tools/verify.ts";

export interface ConsoleParts {
  config: Config;
  secrets: Secrets;
  about: { serverId: string; version: string; amiss(): readonly string[] };
  publicDir: string;
  settings: SettingsStore;
  dial: DialControl;
  box: Toolbox;
  /** Absent where there is no Redis. */
  caches: CacheRoom | undefined;
  killSwitch: Pick<KillSwitch, "by">;
  door: RedisDoor;
  log: Log;
}

export interface WiredConsole {
  console: OperatorConsole;
  /** Where whoever sits at this machine comes in, when the token was made here. */
  way: { consolePath?: string };
}

function pages(publicDir: string): RequestHandler {
  const charts = join(createRequire(import.meta.url).resolve("uplot"), "..");
  return clientPages(join(publicDir, "ops"), {
    "/uplot.js": join(charts, "uPlot.iife.min.js"),
    "/uplot.css": join(charts, "uPlot.min.css"),
  });
}

/** The console over the same functions as the operator's commands. */
export function wireConsole(parts: ConsoleParts): WiredConsole {
  const { config, secrets, publicDir, settings, dial, box, caches, door, log } = parts;
  const tokens = consoleTokens(config);
  if ("refused" in tokens) {
    log.warn({}, `The console at /ops is not served: ${tokens.refused}`);
    return { console: closedConsole(), way: {} };
  }
  const console = createConsole({
    ...parts,
    tokens,
    secrets: secrets.session,
    attempts: createLimiter({ name: "console", limit: config.RATE_LIMIT_CONSOLE, door }),
    keyOf: byAddress,
    pages: pages(publicDir),
    desk: dial.desk,
    acts: { turnDial, startRamp, abortRamp, switchCache },
    tools: {
      verify: (options) => verifySessions(box, options),
      backfill: (options, by) => known(settings, "backfill", options, by, () => backfillSessions(box, options)),
      import: (options, by) => known(settings, "import", options, by, () => importSessions(box, options)),
    },
    cacheTools: {
      flush: (name, by) => flushCaches({ settings, db: box.db, door, clock: systemClock }, cachePrefixes, name, by),
      explain: (name, key) => explainKey(door, cachePrefixes[name as CacheName] + key),
    },
    fleet: dial.status,
    liveSessions: () => box.sessions.estimatedDocumentCount(),
    caches: { all: caches?.all ?? new Map(), byDefault: config.CACHES, keyed: keyedByChannel },
    clock: systemClock,
  });
  // Behind the #, so that neither a server nor a log sees it.
  return { console, way: tokens.made ? { consolePath: `/ops#token=${tokens.full}` } : {} };
}
