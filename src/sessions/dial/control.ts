import type { Db } from "mongodb";
import type { Clock } from "../../kernel/clock.ts";
import { createEvents, type Events } from "../../kernel/events.ts";
import type { Log } from "../../kernel/log.ts";
import { type Figures, type InstanceState, reportInstance } from "../../mongo/instances.ts";
import type { SettingsStore } from "../../mongo/settings-types.ts";
import type { RedisDoor } from "../../redis/types.ts";
import type { Toolbox } from "../tools/toolbox.ts";
import type { SessionEventSource, SessionStats } from "../types.ts";
import type { DialDesk } from "./change.ts";
import { createGuards } from "./guards.ts";
import { runRamp } from "./ramp.ts";
import { type FleetStatus, fleetStatus } from "./status.ts";
import { createStepDown, type StepDownLimits } from "./step-down.ts";

export type DialEvents = { steppedDown: { cause: string; from: number; to: number } };

export interface DialControlOptions {
  settings: SettingsStore;
  store: { events: SessionEventSource; stats(): SessionStats };
  db: Db;
  door: RedisDoor;
  box: Toolbox;
  serverId: string;
  version: string;
  ttlSeconds: number;
  /** How often this instance tells the others where it stands, and looks whether a step of a ramp is due. */
  everyMs: number;
  /** Undefined: the dial never steps down by itself. */
  limits?: StepDownLimits;
  /** What the instance has counted, to be reported with where it stands. */
  figures?: () => Figures;
  /** What is not as it should be with it, likewise. */
  amiss?: () => readonly string[];
  clock: Clock;
  log: Log;
}

/** The dial in a running server: its steps, its reports, and what an operator turns it with. */
export interface DialControl {
  readonly desk: DialDesk & { clock: Clock };
  readonly events: Events<DialEvents>;
  status(): Promise<FleetStatus>;
  close(): Promise<void>;
}

const patienceLooks = 5;

export function createDialControl(options: DialControlOptions): DialControl {
  const { settings, store, db, door, box, serverId, version, ttlSeconds, everyMs, limits, clock, log } = options;
  const { figures, amiss } = options;
  const events = createEvents<DialEvents>();
  const check = createGuards({ db, box });
  const who = `sluice at ${serverId}`;

  function state(): InstanceState {
    const { mode, percent, readingFrom: reading, reason, epoch, streamLive, streamLagMs } = store.stats();
    const { revision } = settings.current;
    const lag = Number.isFinite(streamLagMs) ? Math.round(streamLagMs) : null;
    const seen = { revision, mode, percent, epoch, redis: door.state, reading, reason };
    const counted = { ...(figures && { figures: figures() }), ...(amiss && { amiss: amiss() }) };
    return { serverId, version, ...seen, streamLive, streamLagMs: lag, ttlSeconds, ...counted };
  }

  const reporter = reportInstance({ db, state, everyMs, log });
  const leave = [
    settings.events.on("change", reporter.changed),
    door.events.on("state", reporter.changed),
    store.events.on("epoch", reporter.changed),
    store.events.on("reading", reporter.changed),
  ];
  const ramp = runRamp({ settings, check, clock, log, who, lookMs: everyMs, patienceMs: patienceLooks * everyMs });
  const stepDown = limits
    ? createStepDown({
        settings,
        events: store.events,
        limits,
        who,
        log,
        onStep: (cause, from, to) => events.emit("steppedDown", { cause, from, to }),
      })
    : undefined;

  return {
    desk: { settings, check, clock },
    events,
    status: () => fleetStatus({ settings, db }),
    async close() {
      for (const end of leave) end();
      await Promise.all([ramp.close(), stepDown?.close()]);
      await reporter.close();
    },
  };
}
