import type { ClientSession, Collection, Db } from "mongodb";
import { SluiceError, UnavailableError } from "../kernel/errors.ts";
import type { ActLine } from "./acts.ts";
import { within } from "./bounded.ts";
import { duplicateKey, isUnavailable } from "./errors.ts";
import {
  type HistoryLine,
  pick,
  readSettings,
  type SettingsDocument,
  type SettingValues,
} from "./settings-document.ts";
import type { ChangeBy } from "./settings-types.ts";

/** Another change was faster: look at the settings again, then decide again. */
export class SettingsConflict extends SluiceError {
  constructor(expected: number, found: number) {
    super(
      "SETTINGS_CONFLICT",
      `The settings are at revision ${found}, not ${expected}: somebody changed them meanwhile. Look again, then retry.`,
    );
  }
}

export interface SettingsCollections {
  db: Db;
  settings: Collection<SettingsDocument>;
  history: Collection<HistoryLine>;
  /** In the same collection, under ids of another type, which no query for revisions finds. */
  acts: Collection<ActLine>;
}

export interface Change {
  expected: number;
  patch: Partial<SettingValues>;
  by: ChangeBy;
  defaults: SettingValues;
  at: Date;
}

const deadlineMs = 5_000;

export function settingsCollections(db: Db): SettingsCollections {
  const history = "sluice_history";
  return {
    db,
    settings: db.collection("sluice_settings"),
    history: db.collection(history),
    acts: db.collection(history),
  };
}

/**
 * Brings the document up to its history, line by line. On a replica set both are written at once and there is nothing to
 * do, unless somebody took the document away; without one, a change may have died between its line and the document.
 * Two that do this at the same time do the same thing.
 */
async function catchUp(at: SettingsCollections, defaults: SettingValues, session?: ClientSession) {
  const options = session ? { session } : {};
  const found = await at.settings.findOne({ _id: "settings" }, options);
  const lines = await at.history
    .find({ _id: { $gt: found?.revision ?? 0 } }, options)
    .sort({ _id: 1 })
    .toArray();
  for (const line of lines) await put(at, line, defaults, session);
  return lines.length === 0 ? found : at.settings.findOne({ _id: "settings" }, options);
}

/** Makes the document what it is after the line, if it is still what it was before it. */
async function put(at: SettingsCollections, line: HistoryLine, defaults: SettingValues, session?: ClientSession) {
  const values = { ...line.to, revision: line._id, changedAt: line.at };
  const rest = Object.entries(defaults).filter(([name]) => !(name in line.to));
  const change = { $set: values, ...(rest.length > 0 ? { $setOnInsert: Object.fromEntries(rest) } : {}) };
  try {
    const options = { upsert: true, ...(session ? { session } : {}) };
    await at.settings.updateOne({ _id: "settings", revision: { $lt: line._id } }, change, options);
  } catch (error) {
    // The document is there, and past this line already.
    if (session || duplicateKey(error) === undefined) throw error;
  }
}

/** The document, after what an unfinished change left behind was finished. */
export function repairSettings(at: SettingsCollections, defaults: SettingValues): Promise<SettingsDocument | null> {
  return catchUp(at, defaults);
}

async function write(at: SettingsCollections, change: Change, session?: ClientSession): Promise<SettingsDocument> {
  const { expected, patch, by, defaults } = change;
  const document = await catchUp(at, defaults, session);
  const found = document?.revision ?? 0;
  if (found !== expected) throw new SettingsConflict(expected, found);
  const from = pick(readSettings(document, defaults), patch);
  const line: HistoryLine = { _id: expected + 1, at: change.at, who: by.who, why: by.why, from, to: patch };
  try {
    await at.history.insertOne(line, session ? { session } : {});
  } catch (error) {
    if (duplicateKey(error) === undefined) throw error;
    throw new SettingsConflict(expected, expected + 1);
  }
  await put(at, line, defaults, session);
  const written = await at.settings.findOne({ _id: "settings" }, session ? { session } : {});
  if (!written) throw new SettingsConflict(expected, 0);
  return written;
}

async function writeAtOnce(at: SettingsCollections, change: Change): Promise<SettingsDocument> {
  const session = at.db.client.startSession();
  try {
    return await session.withTransaction(() => write(at, change, session), {
      readConcern: { level: "snapshot" },
      writeConcern: { w: "majority" },
    });
  } finally {
    void session.endSession().catch(() => undefined);
  }
}

/** The change and its line in the history: both or neither on a replica set, else the line first. */
export async function writeChange(at: SettingsCollections, change: Change): Promise<SettingsDocument> {
  const work = async () => {
    const hello = await at.db.command({ hello: 1 });
    const sets = hello.setName !== undefined || hello.msg === "isdbgrid";
    return sets ? writeAtOnce(at, change) : write(at, change);
  };
  try {
    return await within(deadlineMs, work());
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw new UnavailableError(
      "MongoDB did not confirm the change of the settings; it may have been made all the same. Look at the history, then retry.",
      { cause: error },
    );
  }
}
