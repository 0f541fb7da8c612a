import type { Collection, ObjectId } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import { messageOf, UnavailableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { within } from "./bounded.ts";
import { isUnavailable } from "./errors.ts";
import type { ActEntry, ChangeBy } from "./settings-types.ts";

/** A line of the history beside those of the revisions, whose ids are numbers; servers of before read its `from` and `to`. */
export type ActLine = Omit<ActEntry, "revision" | "from" | "to"> & { from: object; to: object };

export interface ActsOptions {
  lines: Collection<ActLine>;
  clock: Clock;
  log: Log;
  onAct(act: ActEntry): void;
  /** Something was written: whoever follows may look. */
  ring(): Promise<unknown>;
}

export interface Acts {
  /** The newest first. */
  newest(limit: number): Promise<ActEntry[]>;
  /** Tells of what has begun or ended since the look before. */
  look(): Promise<void>;
  /** Its line first, then the work, then what it came to. */
  carryOut<T extends object>(what: string, by: ChangeBy, work: () => Promise<T>): Promise<T>;
}

const deadlineMs = 5_000;
const writeConcern = { w: "majority" } as const;
/** So many that begin or end between two looks are told of. */
const looked = 50;
const isAct = { _id: { $type: "objectId" } } as const;

/** `{ keys: 12, loggedOut: 0, stopped: true }` as "keys 12, stopped". */
function outcomeOf(done: object): string {
  const words = Object.entries(done).flatMap(([name, value]: [string, unknown]) => {
    const spaced = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    if (value === true) return [spaced];
    return typeof value === "number" && value > 0 ? [`${spaced} ${value}`] : [];
  });
  return words.join(", ") || "nothing was to be done";
}

/** What operators do that is no setting, and must be known all the same. */
export function createActs({ lines, clock, log, onAct, ring }: ActsOptions): Acts {
  let known: Map<string, boolean> | undefined;

  async function find(limit: number) {
    return lines.find(isAct).sort({ _id: -1 }).limit(limit).toArray();
  }
  const entryOf = ({ at, who, why, act }: ActLine): ActEntry => ({
    revision: null,
    ...{ at, who, why, from: {}, to: {}, act },
  });

  async function end(_id: ObjectId, what: string, outcome: string): Promise<void> {
    const $set = { "act.ended": new Date(clock.now()), "act.outcome": outcome };
    try {
      await within(deadlineMs, lines.updateOne({ _id }, { $set }, { writeConcern }));
    } catch (error) {
      log.warn({ err: error, what, outcome }, "The history does not say how something ended");
    }
    await ring();
  }

  async function begin(line: ActLine): Promise<ObjectId> {
    try {
      return (await within(deadlineMs, lines.insertOne({ ...line }, { writeConcern }))).insertedId;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      throw new UnavailableError(
        `MongoDB did not take the line for the history, so nothing was done (${line.act.what}). Try again when it answers.`,
        { cause: error },
      );
    }
  }

  return {
    newest: async (limit) => (await find(limit)).map(entryOf),
    async look() {
      const found = await find(looked);
      const before = known;
      known = new Map(found.map(({ _id, act }) => [String(_id), act.ended !== null]));
      if (!before) return;
      for (const line of found.reverse())
        if (before.get(String(line._id)) !== (line.act.ended !== null)) onAct(entryOf(line));
    },
    async carryOut(what, { who, why }, work) {
      const act = { what, ended: null, outcome: null };
      const id = await begin({ at: new Date(clock.now()), who, why, from: {}, to: {}, act });
      await ring();
      try {
        const done = await work();
        await end(id, what, outcomeOf(done));
        return done;
      } catch (error) {
        await end(id, what, `failed: ${messageOf(error)}`);
        throw error;
      }
    },
  };
}
