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

interface Entry {
  readonly at: Date;
  readonly who: string;
  /** Empty when nobody had to say. */
  readonly why: string;
  readonly from: Partial<Settings>;
  readonly to: Partial<Settings>;
}

/** A change of the settings. */
export interface ChangeEntry extends Entry {
  readonly revision: number;
  readonly act?: undefined;
}

/** What was done and changed no setting: a cache thrown away, sessions brought in. */
export interface ActEntry extends Entry {
  readonly revision: null;
  readonly act: {
    readonly what: string;
    /** Null: it is under way, or its process died. */
    readonly ended: Date | null;
    /** What it came to, or why it failed. */
    readonly outcome: string | null;
  };
}

export type HistoryEntry = ChangeEntry | ActEntry;

/** `act`: one has begun, or has ended; whoever did it, within some seconds. */
export type SettingsEvents = { change: { before: Settings; after: Settings }; act: ActEntry };

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
  /** Carries out what changes no setting, with a line of its own in the history; nothing is done when that is not taken. */
  act<T extends object>(what: string, by: ChangeBy, work: () => Promise<T>): Promise<T>;
  /** Changes and acts, the newest first. */
  history(limit: number): Promise<HistoryEntry[]>;
  /** The changes that were made on top of a revision, the newest first. */
  since(revision: number): Promise<ChangeEntry[]>;
  close(): Promise<void>;
}
