import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createEpoch, type Epoch, type EpochTiming } from "../mongo/epoch.ts";
import type { EpochLooks } from "../mongo/epoch-looks.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { CacheEventSource } from "./types.ts";

/** Decides, from everything that is known here, whether what stands in Redis may be believed. */
export interface Trust {
  readonly epoch: Pick<Epoch, "value" | "refresh">;
  /** Why nothing may be believed now; undefined when it may. */
  doubt(): string | undefined;
  /**
   * The same for who asked at `since`, after a look at the epoch where that alone is missing. All who ask share the look:
   * what MongoDB would be asked for instead is what would make the next one late.
   */
  settled(since: number): Promise<string | undefined>;
  /** Why nothing is believed for longer than a look may be late. */
  lasting(): string | undefined;
  /** Whether a write that MongoDB left without an answer at `since` has happened by now, or never will. */
  over(since: number): boolean;
  /** Whether Redis takes what is written. */
  writes(): boolean;
  /** Something written to MongoDB has not reached Redis, nor could be deleted there. */
  unable(why: string): void;
  /** All that stands in Redis may be wrong. `useful`: it is not believed by anybody now. */
  renew(why: string, urgency: "now" | "useful"): void;
  close(): Promise<void>;
}

export interface TrustOptions {
  db: Db;
  door: RedisDoor;
  clock: Clock;
  timing: EpochTiming;
  /** Shared with whoever else goes by an epoch here. */
  looks?: EpochLooks | undefined;
  log: Log;
  events: CacheEventSource;
  /** Whether anybody here reads what stands in Redis. */
  reads: () => boolean;
}

export const epochId = "caches";
// After the sessions, without whom nobody may ask for anything.
const ORDER = 20;
const SAY_MS = 250;

export function createTrust(options: TrustOptions): Trust {
  const { door, events } = options;
  const used = () => door.state !== "disabled";
  let owing = false;
  let closed = false;
  let said: string | undefined;

  const epoch = createEpoch({
    ...options,
    id: epochId,
    of: "caches",
    wanted: used,
    useful: () => door.state === "up" && options.reads(),
    onDue: say,
    onChange({ reason }) {
      events.emit("cleared", { why: reason });
      say();
    },
  });

  function doubt(since: number): string | undefined {
    if (door.state !== "up") return "redis";
    return epoch.due || !epoch.fresh(since) ? "epoch" : undefined;
  }

  async function settled(since: number): Promise<string | undefined> {
    if (doubt(since) === "epoch") await epoch.known(since);
    return doubt(since);
  }

  const lasting = () => doubt(performance.now() - SAY_MS);

  function say(): void {
    if (closed) return;
    const reason = used() ? (lasting() ?? "trusted") : "off";
    if (reason === said) return;
    said = reason;
    events.emit("trust", { from: reason === "trusted" ? "redis" : "mongo", reason });
  }

  function unable(why: string): void {
    if (door.state === "up") epoch.renew(why, "now");
    else owing = true;
  }

  const leave = [
    door.events.on("state", ({ from, to }) => {
      if (from === "up") epoch.renew("Redis was lost, or refused writes", "now");
      if (to === "up" && owing) epoch.renew("Redis is back, and writes were missed", "now");
      if (to === "up") owing = false;
      say();
    }),
    door.onRecovery({
      name: "caches",
      order: ORDER,
      async run({ sameData }) {
        if (!sameData) epoch.renew("Redis may hold other data than before", "useful");
      },
    }),
  ];
  const timer = setInterval(say, SAY_MS);
  timer.unref();

  return {
    epoch,
    doubt: () => doubt(performance.now()),
    settled,
    lasting,
    // While Redis is switched off, MongoDB is not looked at.
    over: (since) => epoch.settled(since) || (!used() && performance.now() - since >= options.timing.doubt),
    writes: () => door.state === "up",
    unable,
    renew: (why, urgency) => epoch.renew(why, urgency),
    async close() {
      closed = true;
      clearInterval(timer);
      for (const one of leave) one();
      await epoch.close();
    },
  };
}
