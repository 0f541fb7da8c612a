import type { Db } from "mongodb";
import type { Log } from "../../kernel/log.ts";
import { type Watcher, watchCollection } from "../../mongo/watch.ts";
import type { ChannelAccess, Channels } from "../services/types.ts";

export interface KnownChannelsOptions {
  /** Whether every change to a channel is heard of now. */
  believed: () => boolean;
  /** No longer than this, whatever is heard. */
  longestMs?: number;
  now?: () => number;
}

/** What channels were found to be, until one of them may have changed. */
export interface KnownChannels {
  byId(id: string, look: (id: string) => Promise<ChannelAccess | null>): Promise<ChannelAccess | null>;
  clear(): void;
}

const most = 10_000;

export function createKnownChannels(options: KnownChannelsOptions): KnownChannels {
  const { believed, longestMs = 10_000, now = () => performance.now() } = options;
  const known = new Map<string, { channel: ChannelAccess; until: number }>();
  let changes = 0;

  function clear(): void {
    changes += 1;
    known.clear();
  }

  return {
    clear,
    async byId(id, look) {
      const heard = believed();
      const found = heard ? known.get(id) : undefined;
      if (found && now() < found.until) return found.channel;
      const before = changes;
      const until = now() + longestMs;
      const channel = await look(id);
      // Changed meanwhile, or nobody could tell: it is the answer to this question only.
      if (!channel || !heard || before !== changes || !believed()) return channel;
      if (known.size >= most) known.clear();
      known.set(id, { channel, until });
      return channel;
    },
  };
}

export interface RememberedAccess {
  readonly stream: Watcher;
  channels(channels: Channels): Channels;
  close(): Promise<void>;
}

/** Who may enter a channel, without asking MongoDB each time: whoever changes one is heard of through its change stream. */
export function rememberAccess(db: Db, log: Log): RememberedAccess {
  // Without a replica set nobody tells, so each time is asked.
  const known = createKnownChannels({ believed: () => stream.live });
  const stream = watchCollection({
    collection: db.collection("channels"),
    pipeline: [{ $match: { operationType: { $ne: "insert" } } }, { $project: { operationType: 1 } }],
    onChange: () => known.clear(),
    onLive(live, reason) {
      if (!live || reason === "afresh") known.clear();
    },
    log,
  });
  return {
    stream,
    channels: (channels) => ({ ...channels, byId: (id) => known.byId(id, channels.byId) }),
    close: () => stream.close(),
  };
}
