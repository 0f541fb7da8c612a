import { mayRead } from "../chat/services/access.ts";
import type { Feeds } from "../chat/services/feeds.ts";
import type { Channels } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createCatchUp } from "./catch-up.ts";
import { cut } from "./cut.ts";
import type { Guests } from "./guests.ts";
import { createHearing } from "./hearing.ts";
import { createMissing } from "./missing.ts";
import type { Memory } from "./remember.ts";
import type { Threshold } from "./threshold.ts";
import type { Guest } from "./types.ts";
import type { Voice } from "./voice.ts";

/**
 * Whoever is in a channel must be allowed to be there now, not only when they came. Who closes a channel, or deletes it, is
 * heard of over the change stream of channels; where that has lost its place, or there is none, all are judged again.
 */
export interface Doors {
  /** Absent where nobody else is there to change a channel. */
  readonly stream?: ReturnType<Feeds["channels"]>;
  /** Somebody's role is another now: those who are inside are judged again. */
  doubt(): void;
  close(): Promise<void>;
}

interface Options {
  channels: Pick<Channels, "accessOf">;
  feeds?: Pick<Feeds, "channels"> | undefined;
  guests: Pick<Guests, "all">;
  voice: Pick<Voice, "leave">;
  memory: Memory;
  threshold: Threshold;
  /** A channel that is not there is gone when it is not there after this either. */
  missingMs?: number;
  clock: Clock;
  log: Log;
}

const defaultMissingMs = 5_000;

/** A stream that is broken for less goes on where it was, and nothing is missed. */
const patienceMs = 1_000;

const placesOf = ({ room, voice }: Guest) => [room?.id, voice].filter((id) => typeof id === "string");

export function createDoors(options: Options): Doors {
  const { channels, feeds, guests, voice, memory, threshold, missingMs = defaultMissingMs, clock, log } = options;
  const hearing = createHearing(clock, doubt);

  async function judge(): Promise<void> {
    const asked = new Set(guests.all().flatMap(placesOf));
    const access = asked.size > 0 ? await channels.accessOf([...asked]) : [];
    const found = new Map(access.map((channel) => [channel.id, channel]));
    const gone = missing.note([...asked].filter((id) => !found.has(id)));
    const isClosed = (id: string, { member }: Guest) => {
      const channel = found.get(id);
      return channel ? !mayRead(channel, member.role) : gone.has(id);
    };
    for (const guest of guests.all()) {
      // Who came to a place that was not asked about may have been let in before it was closed.
      if (placesOf(guest).some((id) => !asked.has(id))) catchUp.owe();
      if (guest.voice !== null && isClosed(guest.voice, guest)) voice.leave(guest);
      // Its client comes back at once, and is told at the door of the room that it is closed.
      if (guest.room && isClosed(guest.room.id, guest)) cut(guest, memory);
    }
  }

  const catchUp = createCatchUp({
    read: judge,
    due: () => feeds !== undefined && hearing.lostFor(patienceMs),
    log,
    complaint: "Whether those who are in a channel may be there cannot be read; trying again",
    relief: "Whether those who are in a channel may be there is known again",
  });

  const missing = createMissing({ betweenMs: missingMs, lookAgain: catchUp.owe });

  function doubt(): void {
    threshold.told();
    catchUp.owe();
  }
  threshold.onMissed(catchUp.owe);

  const stream = feeds?.channels(doubt, hearing.told);

  return {
    ...(stream && { stream }),
    doubt,
    async close() {
      await stream?.close();
      await catchUp.close();
      missing.close();
    },
  };
}
