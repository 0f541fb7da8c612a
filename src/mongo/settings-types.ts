import type { Events } from "../kernel/events.ts";

/** off: Redis is not used. shadow: both are read, MongoDB answers. serve: Redis answers for the sessions in the bucket. */
export type SessionMode = "off" | "shadow" | "serve";

/** A dial that turns itself, by `step` every `everyMs`, until it stands at `to`. */
export interface Ramp {
  readonly to: number;
  readonly step: number;
  readonly everyMs: number;
  /** When the next step is due. */
  readonly next: Date;
}

/** Where the dial of the sessions stands. */
export interface SessionSettings {
  readonly mode: SessionMode;
  /** 0 to 100; counts while `mode` is `serve`. */
  readonly percent: number;
  /** Servers with a stock connect-mongo run beside the new ones. */
  readonly oldServers: boolean;
  readonly ramp?: Ramp;
}

/** What operators may change at run time. One document in MongoDB, because it must survive Redis. */
export interface Settings {
  readonly revision: number;
  readonly redisDisabled: boolean;
  readonly sessions: SessionSettings;
  /** The switches of the caches by name; one that is not named stands where the server's environment has it. */
  readonly caches: CacheSwitches;
}

export type CacheSwitches = Readonly<Record<string, boolean>>;

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
