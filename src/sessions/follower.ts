import type { ChangeStreamDocument, Document } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { type Watcher, type WatchReason, watchCollection } from "../mongo/watch.ts";
import type { Answer } from "../redis/types.ts";
import type { Copies } from "./stores/copies.ts";
import type { Documents, SessionDocument } from "./stores/documents.ts";
import type { SessionEventSource, SessionEvents, Timing } from "./types.ts";
import { type Versions, withoutRedis } from "./version.ts";

type Change = SessionEvents["followed"]["change"];

export interface FollowerOptions {
  documents: Documents;
  copies: Copies;
  versions: Versions;
  clock: Clock;
  timing: Timing;
  log: Log;
  events: SessionEventSource;
  /** Whether copies can be put right at all now. */
  redisUp: () => boolean;
  /** A copy could not be put right. */
  onUnable: () => void;
  onLive: (live: boolean, reason: WatchReason) => void;
}

/** The second path: what others do to sessions in MongoDB, stock connect-mongo included, is done to the copies, too. */
export interface Follower {
  readonly live: boolean;
  readonly lagMs: number;
  readonly reason: WatchReason;
  close(): Promise<void>;
}

/** What the change stream sends of a change: names of fields, and never the content of a session. */
interface Seen {
  operationType: string;
  documentKey: { _id: string };
  v?: string;
  fields?: string[];
  expires?: Date;
}

/** Sees everything but what we have written ourselves, with Redis at hand, and touches. */
function pipelineFor({ settledByUs }: Versions): Document[] {
  const updated = "updateDescription.updatedFields";
  return [
    {
      $match: {
        [`${updated}.v`]: { $not: settledByUs },
        "fullDocument.v": { $not: settledByUs },
        $or: [{ [`${updated}.v`]: { $exists: true } }, { [`${updated}.t`]: { $exists: false } }],
      },
    },
    {
      $project: {
        operationType: 1,
        documentKey: 1,
        v: { $ifNull: [`$${updated}.v`, "$fullDocument.v"] },
        expires: `$${updated}.expires`,
        fields: { $map: { input: { $objectToArray: `$${updated}` }, as: "field", in: "$$field.k" } },
      },
    },
  ];
}

const ofTouch = new Set(["expires", "lastModified", "updatedAt"]);
const mostAtOnce = 200;

export function createFollower(options: FollowerOptions): Follower {
  const { documents, copies, versions, clock, timing, events, log, redisUp, onUnable } = options;
  const later = new Map<string, { due: number; act: () => Promise<void> }>();
  let acting = 0;
  let room: (() => void) | undefined;

  async function put(change: Change, correct: () => Promise<Answer<unknown>>): Promise<void> {
    const ok = redisUp() && (await correct()).ok;
    if (!ok) onUnable();
    events.emit("followed", { change, ok });
  }

  /** What a listener of the app throws must not end the process. */
  const quietly = (act: Promise<void>) =>
    act.catch((error: unknown) => log.error({ err: error }, "A change to a session could not be followed"));

  /** Changes come one by one, but their corrections need not wait for each other. */
  async function start(act: Promise<void>): Promise<void> {
    acting += 1;
    void quietly(act).finally(() => {
      acting -= 1;
      room?.();
    });
    if (acting >= mostAtOnce)
      await new Promise<void>((resolve) => {
        room = resolve;
      });
  }

  function afterwards(key: string, act: () => Promise<void>): void {
    later.delete(key);
    later.set(key, { due: performance.now() + timing.settle, act });
  }

  const timer = setInterval(() => {
    const now = performance.now();
    for (const [key, { due, act }] of later) {
      if (due > now) break;
      later.delete(key);
      void quietly(act());
    }
  }, timing.settle / 6);
  timer.unref();

  /** A session that none of us wrote has appeared: if one of us had ended it, it ends again. */
  async function reappeared(id: string, again: boolean): Promise<void> {
    try {
      if (await documents.ended(id)) {
        await documents.endAgain(id);
        events.emit("followed", { change: "revived", ok: true });
      } else if (again) afterwards(`+${id}`, () => reappeared(id, false));
    } catch {
      // Whoever reads it looks, too.
      events.emit("followed", { change: "revived", ok: false });
    }
  }

  function follow(seen: Seen): Promise<void> | void {
    const id = seen.documentKey?._id;
    if (typeof id !== "string") return;
    const drop = (change: Change) => start(put(change, () => copies.drop(id)));
    if (seen.operationType === "delete") {
      events.emit("ended", { id });
      // Whoever was making it may only now write its first copy.
      afterwards(id, () => put("settled", () => copies.drop(id)));
      return drop("deleted");
    }
    const { v, expires, fields = [] } = seen;
    if (v !== undefined && withoutRedis(v)) return drop("no redis");
    if (v !== undefined) {
      afterwards(id, () => put("settled", () => copies.settle(id, v)));
      return;
    }
    if (expires && fields.every((field) => ofTouch.has(field))) {
      const leftMs = expires.getTime() - clock.now();
      events.emit("endMoved", { id, leftMs });
      return start(put("shortened", () => copies.shorten(id, leftMs, expires.getTime())));
    }
    if (seen.operationType === "insert") void reappeared(id, true);
    events.emit("changed", { id });
    return drop("foreign");
  }

  const watcher: Watcher = watchCollection<SessionDocument>({
    collection: documents.collection,
    pipeline: pipelineFor(versions),
    onChange: (change: ChangeStreamDocument<SessionDocument>) => follow(change as unknown as Seen),
    onLive: options.onLive,
    log,
    behindMs: timing.behind,
  });

  return {
    get live() {
      return watcher.live;
    },
    get lagMs() {
      return watcher.lagMs;
    },
    get reason() {
      return watcher.reason;
    },
    async close() {
      clearInterval(timer);
      await watcher.close();
    },
  };
}
