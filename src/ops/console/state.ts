import type { Clock } from "../../kernel/clock.ts";
import { pause } from "../../kernel/pause.ts";
import type { InstanceReport } from "../../mongo/instances.ts";
import type { SettingsStore } from "../../mongo/settings-types.ts";
import type { KillSwitch } from "../../redis/kill-switch.ts";
import type { FleetStatus } from "../../sessions/dial/status.ts";
import type { CacheSource } from "../metrics/caches.ts";
import type { Jobs } from "./jobs.ts";
import { type CacheRate, createRates, type Point } from "./rates.ts";

export interface StateOptions {
  /** `amiss`: what is not as it should be here, which its report tells a moment later. */
  about: { serverId: string; version: string; amiss(): readonly string[] };
  settings: Pick<SettingsStore, "current" | "stored" | "changedAt">;
  killSwitch: Pick<KillSwitch, "by">;
  /** All instances, as they report themselves. */
  fleet(): Promise<FleetStatus>;
  /** About how many live sessions there are. */
  liveSessions(): Promise<number>;
  /** `keyed`: each channel has a key of its own in these. */
  caches: { all: CacheSource["all"]; byDefault: boolean; keyed: readonly string[] };
  jobs: Pick<Jobs, "current">;
  /** How many lines of the history were heard that are no change of the settings. */
  acts(): number;
  clock: Clock;
}

/** Everything a console shows, of this moment. */
export interface State {
  readonly at: number;
  readonly server: { id: string; version: string; since: number };
  /** Absent while all is well: why what is known of the others is old. */
  readonly problem?: string;
  readonly settings: {
    revision: number;
    changedAt: Date | null;
    redisDisabled: boolean;
    disabledBy: KillSwitch["by"];
    sessions: SettingsStore["current"]["sessions"];
  };
  readonly liveSessions: number | null;
  readonly caches: ({
    name: string;
    on: boolean;
    wanted: boolean;
    by: string;
    keyed: boolean;
    doubt: string | null;
  } & CacheRate)[];
  readonly instances: Omit<InstanceReport, "figures">[];
  readonly converged: boolean;
  readonly differs: readonly string[];
  /** When it is another: the history has more to tell than the revision says. */
  readonly acts: number;
  readonly point: Point;
  readonly job: Jobs["current"];
}

const countEveryMs = 5_000;
const patienceMs = 800;
const none: CacheRate = { reads: 0, hitRatio: null };

export function createLook(options: StateOptions): () => Promise<State> {
  const { about, settings, killSwitch, fleet, liveSessions, caches, jobs, acts, clock } = options;
  const rates = createRates();
  const since = clock.now() - Math.round(process.uptime() * 1_000);
  let known: FleetStatus | undefined;
  let counted: { at: number; sessions: number } | undefined;
  let asking: Promise<boolean> | undefined;

  async function ask(): Promise<boolean> {
    try {
      known = await fleet();
      const now = clock.now();
      if (!counted || now - counted.at > countEveryMs) counted = { at: now, sessions: await liveSessions() };
      return true;
    } catch {
      return false;
    }
  }

  /** What this server knows itself does not wait for a MongoDB that is slow. */
  async function mongoAnswers(): Promise<boolean> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    const enough = new AbortController();
    const answered = await Promise.race([asking, pause(patienceMs, enough.signal)]);
    enough.abort();
    return answered === true;
  }

  return async () => {
    const well = await mongoAnswers();
    const at = clock.now();
    const { point, caches: byCache } = rates.look(at, known?.instances ?? []);
    const { current, changedAt } = settings;
    const { revision, redisDisabled, sessions } = current;
    return {
      at,
      server: { id: about.serverId, version: about.version, since },
      ...(well ? {} : { problem: "MongoDB gives no answer" }),
      settings: { revision, changedAt, redisDisabled, disabledBy: killSwitch.by, sessions },
      liveSessions: counted?.sessions ?? null,
      caches: [...caches.all].map(([name, { on, doubt }]) => ({
        name,
        on,
        wanted: current.caches[name] ?? caches.byDefault,
        by: current.caches[name] === undefined ? "environment" : "settings",
        keyed: caches.keyed.includes(name),
        doubt: doubt ?? null,
        ...(byCache[name] ?? none),
      })),
      instances: (known?.instances ?? []).map(({ figures: _, ...report }) =>
        report.serverId === about.serverId ? { ...report, amiss: about.amiss() } : report,
      ),
      converged: known?.converged ?? false,
      differs: known?.differs ?? [],
      acts: acts(),
      point,
      job: jobs.current,
    };
  };
}
