import type { Db } from "mongodb";
import { type InstanceReport, liveInstances } from "../../mongo/instances.ts";
import type { SessionSettings, SettingsStore } from "../../mongo/settings-types.ts";

export interface DialState extends SessionSettings {
  readonly revision: number;
  /** False: nobody has turned it yet, it stands where the environment says. */
  readonly stored: boolean;
  readonly changedAt: Date | null;
}

export type DialSource = Pick<SettingsStore, "current" | "stored" | "changedAt">;

export function readDial({ current, stored, changedAt }: DialSource): DialState {
  return { ...current.sessions, revision: current.revision, stored, changedAt };
}

/** What instances must agree on. */
const agreed = ["revision", "mode", "percent", "epoch", "redis"] as const;

export interface FleetStatus {
  readonly dial: DialState;
  readonly redisDisabled: boolean;
  readonly instances: readonly InstanceReport[];
  /** Every live instance goes by the settings of this revision, and they agree on all that is below. */
  readonly converged: boolean;
  /** On what they differ. */
  readonly differs: readonly string[];
}

export async function fleetStatus({ settings, db }: { settings: DialSource; db: Db }): Promise<FleetStatus> {
  const instances = await liveInstances(db);
  const dial = readDial(settings);
  const differs = agreed.filter((name) => new Set(instances.map((report) => report[name])).size > 1);
  const upToDate = instances.every(({ revision }) => revision === dial.revision);
  return {
    dial,
    redisDisabled: settings.current.redisDisabled,
    instances,
    converged: instances.length > 0 && upToDate && differs.length === 0,
    differs: upToDate || differs.includes("revision") ? differs : ["revision", ...differs],
  };
}
