import type { Feeds } from "../chat/services/feeds.ts";
import type { Message } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createCatchUp } from "./catch-up.ts";
import { createHearing } from "./hearing.ts";

/**
 * The way of messages over MongoDB. It is followed while Redis is well, too: Pub/Sub forgets what is published while a
 * connection is lost, or frozen and not yet known to be, and who published is gone when its process was killed between
 * the store and the publish. So nothing has to decide when an outage began; whichever way is first delivers.
 */
export interface SecondPath {
  readonly stream: ReturnType<Feeds["messages"]>;
  /** A message of this instance was perhaps stored although the store did not say so: it is looked for. */
  doubt(): void;
  close(): Promise<void>;
}

interface Options {
  feeds: Pick<Feeds, "messages" | "messagesSince">;
  /** Those with somebody in them on this instance. */
  rooms: () => string[];
  deliver: (message: Message) => void;
  clock: Clock;
  log: Log;
}

/** A stream that is broken for less goes on where it was, and nothing is missed. */
const patienceMs = 2_000;
/** Instances' clocks may differ, and a write may take its time, by this much together. */
const marginMs = 10_000;
const mostAtOnce = 2_000;
/** A write that was given up may still happen for so long. */
const doubtMs = 5_000;
/** What is put into the store long after it was said is no news. */
const newsMs = 10 * 60_000;

export function createSecondPath({ feeds, rooms, deliver, clock, log }: Options): SecondPath {
  /** What was stored before this has been delivered here, or was not wanted. */
  let complete = clock.now();
  const hearing = createHearing(clock, () => catchUp.owe());
  let doubtUntil = 0;

  async function readAgain(): Promise<void> {
    const began = clock.now();
    const active = rooms();
    const since = new Date(complete - marginMs);
    if (active.length > 0) for (const message of await feeds.messagesSince(active, since, mostAtOnce)) deliver(message);
    complete = began;
  }

  const catchUp = createCatchUp({
    read: readAgain,
    due: () => hearing.lostFor(patienceMs) || clock.now() < doubtUntil || stream.reason === "no replica set",
    log,
    complaint: "Messages of other instances cannot be read; trying again",
    relief: "Messages of other instances are read again",
  });

  /** What is still to be read must not be taken for delivered. */
  function completeUntil(time: number): void {
    if (catchUp.settled) complete = Math.max(complete, time);
  }

  const stream = feeds.messages(
    (message) => {
      if (message.timestamp.getTime() > clock.now() - newsMs) deliver(message);
    },
    (live, whole) => {
      hearing.told(live, whole);
      if (!live && Number.isFinite(stream.lagMs)) completeUntil(clock.now() - stream.lagMs);
    },
  );

  return {
    stream,
    doubt() {
      doubtUntil = clock.now() + doubtMs;
      if (!hearing.lost) completeUntil(clock.now());
    },
    async close() {
      await Promise.all([stream.close(), catchUp.close()]);
    },
  };
}
