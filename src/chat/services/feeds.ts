import type { Db } from "mongodb";
import { Types } from "mongoose";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Log } from "../../kernel/log.ts";
import type { WatchCollection, Watcher } from "../../mongo/watch.ts";
import { messageChanges, ofMessage, type SeenMessage, type SeenUser, touchedBy, userChanges } from "../changes.ts";
import type { MessageRecord } from "../models/message.ts";
import type { UserRecord } from "../models/user.ts";
import { standingFields, toMessage, toStanding } from "./records.ts";
import { dateOf, isMessage, isTimed, isUser, textOf } from "./stored.ts";
import type { Message, Standing } from "./types.ts";

/** What may make somebody's sockets act otherwise, or go. */
export interface StandingChange {
  userId: string;
  /** Banned by this change. */
  ban?: { reason: string; expires: Date | null };
  /** Logged out or banned by this change, at that time. */
  ended?: Date;
}

/** As it is stored now; a ban with what is told of it. */
export type FoundStanding = Pick<StandingChange, "ban"> & { standing: Standing };

/** What is stored, told as it is stored; each of them goes on until it is closed. */
export interface Feeds {
  /** What other processes store. */
  messages(tell: (message: Message) => void, onLive: (live: boolean, whole: boolean) => void): Watcher;
  /** That a channel was changed or deleted. */
  channels(tell: () => void, onLive: (live: boolean, whole: boolean) => void): Watcher;
  standings(tell: (change: StandingChange) => void, onLive: (live: boolean, whole: boolean) => void): Watcher;
  /** Of these users, those that there are. */
  standingsOf(userIds: readonly string[]): Promise<FoundStanding[]>;
  /** Of these rooms, stored at `since` or later; of too many the newest, in order. */
  messagesSince(rooms: string[], since: Date, most: number): Promise<Message[]>;
}

interface Options {
  db: Db;
  watch: WatchCollection;
  log: Log;
  clock?: Clock;
}

const ofStanding = Object.fromEntries([...standingFields, "banReason"].map((name) => [name, 1]));

/** What may keep somebody out of a channel. */
const revoking = new Set(["update", "replace", "delete"]);

/** All ids that a process makes have these five random bytes in common. */
const markOf = (id: unknown) => String(id).slice(8, 18);
const ownMark = markOf(new Types.ObjectId());

/** Undefined for one that nobody's standing follows from. */
function standingChange(seen: SeenUser): StandingChange | undefined {
  const { operationType, documentKey, updateDescription } = seen;
  if (!documentKey || operationType === "insert") return undefined;
  if (operationType === "update" && !touchedBy(seen).some((name) => standingFields.includes(name))) return undefined;
  const updated = updateDescription?.updatedFields ?? {};
  const ended = dateOf(updated.sessionsEndedAt);
  return {
    userId: String(documentKey._id),
    ...(updated.banned === true ? { ban: banOf(updated) } : {}),
    ...(ended ? { ended } : {}),
  };
}

const banOf = ({ banReason, banExpires }: Partial<UserRecord>) => ({
  reason: textOf(banReason) ?? "",
  expires: dateOf(banExpires) ?? null,
});

export function createFeeds({ db, watch, log, clock = systemClock }: Options): Feeds {
  const messages = db.collection<MessageRecord>("messages");
  const users = db.collection<UserRecord>("users");
  const channels = db.collection("channels");
  let odd = false;

  /** What was written past every server may be no message at all; the others must not wait behind it. */
  function readable(record: MessageRecord): Message[] {
    if (isMessage(record)) return [toMessage(record)];
    if (!odd) {
      const { _id } = record;
      const what = isTimed(record)
        ? "its id, author, target, channel or type is of another kind"
        : "its timestamp is no date";
      log.warn({ _id: String(_id), what }, "A stored message cannot be read, and is told to nobody");
    }
    odd = true;
    return [];
  }

  return {
    messages: (tell, onLive) =>
      watch({
        collection: messages,
        pipeline: messageChanges,
        onChange(change) {
          const { operationType, fullDocument } = change as unknown as SeenMessage;
          if (operationType !== "insert" || !fullDocument || markOf(fullDocument._id) === ownMark) return;
          for (const message of readable(fullDocument)) tell(message);
        },
        onLive: (live, reason) => onLive(live, reason !== "afresh"),
        log,
      }),
    channels: (tell, onLive) =>
      watch({
        collection: channels,
        onChange({ operationType }) {
          if (revoking.has(operationType)) tell();
        },
        onLive: (live, reason) => onLive(live, reason !== "afresh"),
        log,
      }),
    standings: (tell, onLive) =>
      watch({
        collection: users,
        pipeline: userChanges,
        onChange(seen) {
          const change = standingChange(seen as unknown as SeenUser);
          if (change) tell(change);
        },
        onLive: (live, reason) => onLive(live, reason !== "afresh"),
        log,
      }),
    async standingsOf(userIds) {
      const ids = userIds.filter((id) => Types.ObjectId.isValid(id)).map((id) => new Types.ObjectId(id));
      const found = await users.find({ _id: { $in: ids } }, { projection: ofStanding }).toArray();
      return found.filter(isUser).map((user) => {
        const standing = toStanding(user, clock.now());
        return { standing, ...(standing.banned ? { ban: banOf(user) } : {}) };
      });
    },
    async messagesSince(rooms, since, most) {
      const newest = await messages
        .find({ channel: { $in: rooms }, timestamp: { $gte: since } }, { projection: ofMessage })
        .sort({ timestamp: -1, _id: -1 })
        .limit(most)
        .toArray();
      return newest.reverse().flatMap(readable);
    },
  };
}
