import type { Events } from "../kernel/events.ts";

/** What operators may change at run time. One document in MongoDB, because it must survive Redis. */
export interface Settings {
  readonly revision: number;
  readonly redisDisabled: boolean;
}

export interface ChangeBy {
  who: string;
  why: string;
}

export interface HistoryEntry {
  readonly revision: number;
  readonly at: Date;
  readonly who: string;
  readonly why: string;
  readonly from: Partial<Settings>;
  readonly to: Partial<Settings>;
}

export type SettingsEvents = { change: { before: Settings; after: Settings } };

export interface SettingsStore {
  /** What this instance knows now; defaults until the document has been read. */
  readonly current: Settings;
  /** False until a settings document exists in MongoDB: boot defaults apply. */
  readonly stored: boolean;
  /** When the settings in force were made; null while boot defaults apply. */
  readonly changedAt: Date | null;
  readonly events: Events<SettingsEvents>;
  /** Compare-and-set on `expected` (default: the revision known here); throws `SettingsConflict` when another was faster. */
  change(patch: Partial<Omit<Settings, "revision">>, by: ChangeBy, expected?: number): Promise<Settings>;
  history(limit: number): Promise<HistoryEntry[]>;
  close(): Promise<void>;
}
