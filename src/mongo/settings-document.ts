import { readSessionSettings } from "./settings-sessions.ts";
import type { CacheSwitches, Settings } from "./settings-types.ts";

export type SettingValues = Omit<Settings, "revision">;

/** As stored; servers newer than this one may keep more fields in it, which are left alone. */
export type SettingsDocument = { _id: "settings"; revision: number; changedAt: Date } & Record<string, unknown>;

/** A line of the history, written ahead of the change: `_id` is the revision that the change makes. */
export interface HistoryLine {
  _id: number;
  at: Date;
  who: string;
  why: string;
  from: Partial<SettingValues>;
  to: Partial<SettingValues>;
}

/** How each setting is read from what is stored; undefined for what it cannot be. */
const readers: { [K in keyof SettingValues]: (stored: unknown) => SettingValues[K] | undefined } = {
  redisDisabled: (stored) => (typeof stored === "boolean" ? stored : undefined),
  sessions: readSessionSettings,
  caches: readSwitches,
};

function readSwitches(stored: unknown): CacheSwitches | undefined {
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) return undefined;
  return Object.values(stored).every((one) => typeof one === "boolean") ? { ...(stored as CacheSwitches) } : undefined;
}

const names = Object.keys(readers) as (keyof SettingValues)[];

/** The settings of a document; what is missing or unusable there keeps the value of `fallback`. */
export function readSettings(document: SettingsDocument | null, fallback: SettingValues): Settings {
  const read = names.map((name) => [name, readers[name](document?.[name]) ?? fallback[name]]);
  return { ...(Object.fromEntries(read) as SettingValues), revision: document?.revision ?? 0 };
}

/** Those settings of `values` that `patch` names. */
export function pick(values: SettingValues, patch: Partial<SettingValues>): Partial<SettingValues> {
  return Object.fromEntries(names.filter((name) => name in patch).map((name) => [name, values[name]]));
}

/** The name of the first setting in `patch` that does not exist or cannot have that value. */
export function unusable(patch: Partial<SettingValues>): string | undefined {
  return Object.entries(patch).find(
    ([name, value]) => readers[name as keyof SettingValues]?.(value) === undefined,
  )?.[0];
}
