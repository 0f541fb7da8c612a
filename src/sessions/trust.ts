import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createEpoch, type Epoch } from "../mongo/epoch.ts";
import type { EpochLooks } from "../mongo/epoch-looks.ts";
import type { RedisDoor, Unavailable } from "../redis/types.ts";
import { createFollower, type Follower } from "./follower.ts";
import type { Copies } from "./stores/copies.ts";
import type { Documents } from "./stores/documents.ts";
import type { FallbackReason, SessionDial, SessionEventSource, Timing } from "./types.ts";
import type { Versions } from "./version.ts";

/** Decides, from everything that is known here, whether a copy in Redis may be believed and whether one may be written. */
export interface Trust {
  readonly epoch: Epoch;
  readonly live: boolean;
  readonly lagMs: number;
  /** Why the change stream is live or not. */
  readonly following: string;
  /** Why no copy may be believed now; undefined when one may. `now`: of `performance.now()`, when it is known. */
  doubt(now?: number): FallbackReason | undefined;
  /** The same for who asked at `since`, after a look at the epoch where that alone is missing; all who ask share the look. */
  settled(since: number): Promise<FallbackReason | undefined>;
  /** Why no copy is believed for longer than a look may be late. */
  lasting(): FallbackReason | undefined;
  /** Writes go to Redis, too. A write that does not says so to the others by its version. */
  writes(): boolean;
  /** A copy could neither be put right nor taken away. */
  legFailed(answer: Unavailable): void;
  close(): Promise<void>;
}

export interface TrustOptions {
  db: Db;
  collection: string;
  door: RedisDoor;
  dial: SessionDial;
  documents: Documents;
  copies: Copies;
  versions: Versions;
  clock: Clock;
  timing: Timing;
  looks?: EpochLooks | undefined;
  log: Log;
  events: SessionEventSource;
  /** Follow the change stream also while Redis is not used. */
  followAlways: boolean;
}

export const epochIdOf = (collection: string) => `sessions in ${collection}`;

// Among the first, so that others find sessions in order when their turn comes.
const ORDER = 10;
const SAY_MS = 250;
// What passes by time alone is looked at so often; every event is heeded at once.
const LOOK_MS = 5;

export function createTrust(options: TrustOptions): Trust {
  const { door, dial, log, events } = options;
  const used = () => dial.current.mode !== "off" && door.state !== "disabled";
  /** A change was seen that could not be applied to Redis, so copies may be wrong when it comes back. */
  let owing = false;
  let closed = false;
  let follower: Follower | undefined;
  let ending: Promise<unknown> = Promise.resolve();

  const epoch = createEpoch({
    ...options,
    id: epochIdOf(options.collection),
    of: "sessions",
    onChange: (change) => events.emit("epoch", change),
    wanted: used,
    useful: () => used() && door.state === "up" && follower?.live === true,
    onDue: reconsider,
  });
  let known: FallbackReason | undefined;
  let knownUntil = 0;

  function reconsider(): void {
    knownUntil = 0;
  }

  function unable(): void {
    if (door.state === "up") epoch.renew("a copy could not be put right", "now");
    else owing = true;
  }

  function follow(): void {
    const wanted = !closed && (options.followAlways || used());
    if (wanted && !follower)
      follower = createFollower({
        ...options,
        redisUp: () => used() && door.state === "up",
        onUnable: unable,
        onLive(live, reason) {
          // Nothing is known of the time before: what others did then may be missing in Redis.
          if (live && reason === "afresh") epoch.renew("changes are followed from now on", "useful");
          reconsider();
          say();
          events.emit("following", { live, reason });
        },
      });
    if (!wanted && follower) {
      ending = Promise.allSettled([ending, follower.close()]);
      follower = undefined;
    }
  }

  function look(now: number): FallbackReason | undefined {
    if (!used() || door.state !== "up") return "redis";
    if (!follower?.live) return "stream";
    return epoch.due || !epoch.fresh(now) ? "epoch" : undefined;
  }

  function doubt(now = performance.now()): FallbackReason | undefined {
    if (now < knownUntil) return known;
    known = look(now);
    knownUntil = now + LOOK_MS;
    return known;
  }

  async function settled(since: number): Promise<FallbackReason | undefined> {
    if (look(since) === "epoch") {
      await epoch.known(since);
      reconsider();
    }
    return look(since);
  }

  const lasting = () => look(performance.now() - SAY_MS);

  let said: string | undefined;
  function say(): void {
    const reason = dial.current.mode === "off" ? "off" : (lasting() ?? "trusted");
    if (reason === said || closed) return;
    said = reason;
    events.emit("reading", { from: reason === "trusted" ? "redis" : "mongo", reason });
    log.debug({ reason }, "Where the sessions of the bucket are read from has changed");
  }

  // Before anybody who is told later asks for a session.
  const unsubscribe = [
    dial.onChange((now, before) => {
      if (before.mode === "off" && now.mode !== "off") epoch.renew("off was left", "useful");
      follow();
      reconsider();
      say();
    }),
    door.events.on("state", ({ from, to }) => {
      if (from === "up") epoch.renew("Redis was lost, or refused writes", "now");
      if (to === "up" && owing) epoch.renew("Redis is back, and changes were missed", "useful");
      if (to === "up") owing = false;
      follow();
      reconsider();
      say();
    }),
    door.onRecovery({
      name: "sessions",
      order: ORDER,
      async run({ sameData }) {
        if (!sameData) epoch.renew("Redis may hold other data than before", "useful");
      },
    }),
    events.on("epoch", () => {
      reconsider();
      say();
    }),
  ];
  epoch.renew("an instance has begun", "useful");
  follow();
  const timer = setInterval(say, SAY_MS);
  timer.unref();

  return {
    epoch,
    get live() {
      return follower?.live ?? false;
    },
    get lagMs() {
      return follower?.lagMs ?? Number.POSITIVE_INFINITY;
    },
    get following() {
      return follower?.reason ?? "not needed";
    },
    doubt,
    settled,
    lasting,
    writes: () => used() && door.state === "up",
    legFailed({ reason }) {
      epoch.renew(`a copy could not be put right (${reason})`, "now");
    },
    async close() {
      closed = true;
      clearInterval(timer);
      for (const leave of unsubscribe) leave();
      follow();
      await Promise.allSettled([ending, epoch.close()]);
    },
  };
}
