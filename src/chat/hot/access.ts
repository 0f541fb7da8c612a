import type { Db } from "mongodb";
import type { Log } from "../../kernel/log.ts";
import { createRemembered } from "../../kernel/remembered.ts";
import type { WatchCollection, Watcher } from "../../mongo/watch.ts";
import type { ChannelAccess, Channels } from "../services/types.ts";

export interface RememberedAccess {
  readonly stream: Watcher;
  channels(channels: Channels): Channels;
  close(): Promise<void>;
}

interface Options {
  db: Db;
  watch: WatchCollection;
  /** No longer than this, whatever is heard. */
  longestMs: number;
  log: Log;
}

const most = 10_000;

/** Who may enter a channel, without asking MongoDB each time: whoever changes one is heard of through its change stream. */
export function rememberAccess({ db, watch, longestMs, log }: Options): RememberedAccess {
  // Without a replica set nobody tells, so each time is asked.
  const known = createRemembered<ChannelAccess>({ heard: () => stream.live, longestMs, most });
  const stream = watch({
    collection: db.collection("channels"),
    onChange(change) {
      if (change.operationType !== "insert") known.clear();
    },
    onLive(live, reason) {
      if (!live || reason === "afresh") known.clear();
    },
    log,
  });
  return {
    stream,
    channels: (channels) => ({ ...channels, byId: (id) => known.find(id, channels.byId) }),
    close: () => stream.close(),
  };
}
