import { isDeepStrictEqual } from "node:util";
import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import { SluiceError } from "../kernel/errors.ts";
import { createEvents } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import { createActs } from "./acts.ts";
import { within } from "./bounded.ts";
import { readSettings, type SettingsDocument, type SettingValues, unusable } from "./settings-document.ts";
import { createHistory } from "./settings-history.ts";
import type { Settings, SettingsEvents, SettingsStore } from "./settings-types.ts";
import { repairSettings, SettingsConflict, settingsCollections, writeChange } from "./settings-write.ts";
import type { WatchCollection, Watcher } from "./watch.ts";

export { SettingsConflict };

export interface SettingsOptions {
  db: Db;
  watch: WatchCollection;
  /** In force while MongoDB holds no settings. */
  defaults: SettingValues;
  clock: Clock;
  log: Log;
  /** How often MongoDB is asked while no change stream tells of changes. */
  pollMs?: number;
}

export interface FollowedSettings extends SettingsStore {
  /** Ends when MongoDB has been asked for the first time; false when it gave no answer. */
  readonly loaded: Promise<boolean>;
  /** How they are followed; without it, by the poll. */
  readonly stream: Watcher;
}

const readDeadlineMs = 2_000;
// While the change stream is well it is trusted, and this is the net below it.
const pollsPerCheck = 10;

/** The settings document as every instance knows it: what one changes, all follow within about a second. */
export function createSettingsStore(options: SettingsOptions): FollowedSettings {
  const { db, watch, defaults, clock, log, pollMs = 1_000 } = options;
  const at = settingsCollections(db);
  const events = createEvents<SettingsEvents>();
  let current = readSettings(null, defaults);
  let changedAt: Date | null = null;
  let adopted = 0;
  let closed = false;
  let trouble: "unreachable" | "gone" | undefined;
  let reading: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;

  function adopt(document: SettingsDocument): void {
    const before = current;
    adopted++;
    current = readSettings(document, before);
    changedAt = document.changedAt;
    // A restored backup may hold other values under the revision that is known.
    if (isDeepStrictEqual(before, current)) return;
    log.info({ before, after: current }, `Settings of revision ${current.revision} are in force`);
    try {
      events.emit("change", { before, after: current });
    } catch (error) {
      log.error({ err: error, revision: current.revision }, "A listener to the settings failed");
    }
  }

  /** The others follow the settings document, and look by themselves when there is none yet. */
  function ring(): Promise<unknown> {
    void read();
    const $set = { actedAt: new Date(clock.now()) };
    return within(readDeadlineMs, at.settings.updateOne({ _id: "settings" }, { $set })).catch(() => undefined);
  }

  const acts = createActs({
    ...{ lines: at.acts, clock, log, ring },
    onAct(act) {
      try {
        events.emit("act", act);
      } catch (error) {
        log.error({ err: error, what: act.act.what }, "A listener to the history failed");
      }
    },
  });

  function note(now: typeof trouble, message: string, error?: unknown): void {
    if (trouble === now) return;
    trouble = now;
    const fields = { revision: current.revision, ...(error ? { err: error } : {}) };
    if (now) log.warn(fields, message);
    else log.info(fields, message);
  }

  async function readOnce(): Promise<void> {
    if (closed) return;
    const known = adopted;
    const first = known === 0;
    const found = first ? repairSettings(at, defaults) : at.settings.findOne({ _id: "settings" });
    const document = await within(readDeadlineMs, found);
    if (!document) {
      if (!first) note("gone", "The settings document was taken away; the last known settings stay in force");
      else if (trouble) note(undefined, "The settings can be read again");
      return;
    }
    if (trouble) note(undefined, "The settings can be read again");
    // A read that began before a newer one was adopted knows less; one that began after it tells of a restored backup.
    if (document.revision > current.revision || adopted === known) adopt(document);
  }

  /** Answers whether they could be read. */
  function begin(): Promise<boolean> {
    next = undefined;
    reading = readOnce()
      .then(async () => {
        if (!closed) await within(readDeadlineMs, acts.look());
        return true;
      })
      .catch((error: unknown) => {
        if (!closed)
          note("unreachable", "The settings cannot be read; the last known ones stay in force until they can", error);
        return false;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  }

  /** One read at a time; who asks during a read gets one that begins after it. */
  function read(): Promise<boolean> {
    if (closed) return Promise.resolve(false);
    if (!reading) return begin();
    next ??= reading.then(begin);
    return next;
  }

  const watcher = watch({
    collection: at.settings,
    pipeline: [{ $match: { "documentKey._id": "settings" } }],
    onChange: () => void read(),
    onLive: (live) => {
      if (live) void read();
    },
    log,
  });
  let polls = 0;
  const poll = setInterval(() => {
    if (!watcher.live || ++polls % pollsPerCheck === 0) void read();
  }, pollMs);
  poll.unref();
  const loaded = read();

  return {
    loaded,
    stream: watcher,
    events,
    get current() {
      return current;
    },
    get stored() {
      return changedAt !== null;
    },
    get changedAt() {
      return changedAt;
    },
    async change(patch, by, expected = current.revision): Promise<Settings> {
      const wrong = unusable(patch);
      if (wrong) throw new SluiceError("SETTINGS_INVALID", `There is no setting "${wrong}" that takes such a value.`);
      const { revision: _, ...values } = current;
      const change = { expected, patch, by, defaults: values, at: new Date(clock.now()) };
      try {
        const document = await writeChange(at, change);
        if (document.revision > current.revision) adopt(document);
        return readSettings(document, values);
      } catch (error) {
        if (error instanceof SettingsConflict) await read();
        throw error;
      }
    },
    act: acts.carryOut,
    ...createHistory(at.history, acts),
    async close() {
      closed = true;
      clearInterval(poll);
      await watcher.close();
      await (next ?? reading);
    },
  };
}
