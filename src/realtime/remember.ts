import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createBatch } from "./batch.ts";
import type { Guest } from "./types.ts";

interface Remembered {
  /** null: its tabs were sent away from different rooms. */
  room: string | null;
  /** When the server sent the session's socket away: its client comes back without joining by itself. */
  sentAway: Date | null;
}

interface RoomRecord extends Remembered {
  _id: string;
  nickname: string;
  expires: Date;
}

/** Which room a session was in last, so that it can be re-joined on any instance; not in the session, which sockets never write. */
export interface Memory {
  recall(sessionKey: string): Promise<Remembered | null>;
  /** Whether somebody of this name was in the room last, on whichever instance. */
  wasIn(room: string, nickname: string): Promise<boolean>;
  /** `sentAway`: and its socket is being sent away now. */
  note(guest: Pick<Guest, "sessionKey" | "member">, room: string, sentAway?: boolean): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface Options {
  db: Db;
  ttlSeconds: number;
  clock: Clock;
  log: Log;
}

export function createMemory({ db, ttlSeconds, clock, log }: Options): Memory {
  const records = db.collection<RoomRecord>("session_rooms");
  const batch = createBatch<Omit<RoomRecord, "_id" | "expires">>({
    name: "Rooms of sessions",
    merge: (older, newer) =>
      older.sentAway && newer.sentAway && older.room !== newer.room ? { ...newer, room: null } : newer,
    write: (entries) => {
      const expires = new Date(clock.now() + ttlSeconds * 1000);
      const writes = entries.map(([_id, remembered]) => ({
        updateOne: { filter: { _id }, update: { $set: { ...remembered, expires } }, upsert: true },
      }));
      return records.bulkWrite(writes, { ordered: false });
    },
    log,
  });

  return {
    async recall(sessionKey) {
      const waiting = batch.get(sessionKey);
      if (waiting) return waiting;
      const record = await records.findOne(
        { _id: { $eq: sessionKey }, expires: { $gt: new Date(clock.now()) } },
        { projection: { room: 1, sentAway: 1 } },
      );
      return record && { room: record.room, sentAway: record.sentAway };
    },
    async wasIn(room, nickname) {
      const about = { nickname: { $eq: nickname }, room, expires: { $gt: new Date(clock.now()) } };
      return (await records.findOne(about, { projection: { _id: 1 } })) !== null;
    },
    note({ sessionKey, member: { nickname } }, room, sentAway = false) {
      batch.put(sessionKey, { nickname, room, sentAway: sentAway ? new Date(clock.now()) : null });
    },
    flush: batch.flush,
    close: batch.close,
  };
}
