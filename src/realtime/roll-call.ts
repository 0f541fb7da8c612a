import type { Feeds } from "../chat/services/feeds.ts";
import type { SessionGate } from "../chat/sessions/types.ts";
import { inChunks } from "../kernel/chunks.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { createCatchUp } from "./catch-up.ts";
import type { Guests } from "./guests.ts";
import { createHearing } from "./hearing.ts";
import type { Links } from "./links.ts";

/**
 * What others do to users is heard over the change stream of users. Where that has lost its place, or there is none,
 * MongoDB is asked for everybody who is connected: who is banned, logged out or something else by now.
 */
export interface RollCall {
  readonly stream: ReturnType<Feeds["standings"]>;
  close(): Promise<void>;
}

interface Options {
  feeds: Pick<Feeds, "standings" | "standingsOf">;
  gate: Pick<SessionGate, "gone">;
  guests: Pick<Guests, "all">;
  links: Pick<Links, "changed" | "found" | "endSession">;
  clock: Clock;
  log: Log;
}

/** A stream that is broken for less goes on where it was, and nothing is missed. */
const patienceMs = 1_000;
const mostAtOnce = 1_000;

async function inParts<T>(all: Iterable<string>, ask: (part: string[]) => Promise<T[]>): Promise<T[]> {
  const answers: T[] = [];
  for (const part of inChunks([...new Set(all)], mostAtOnce)) answers.push(...(await ask(part)));
  return answers;
}

export function createRollCall({ feeds, gate, guests, links, clock, log }: Options): RollCall {
  const hearing = createHearing(clock, () => catchUp.owe());

  const catchUp = createCatchUp({
    async read() {
      const everybody = guests.all();
      const sids = everybody.map(({ sid }) => sid);
      const users = everybody.map(({ member }) => member.userId);
      // A ban ends the sessions after it is stored, and who is banned must be told so.
      const gone = await inParts(sids, gate.gone);
      for (const one of await inParts(users, feeds.standingsOf)) await links.found(one);
      for (const sid of gone) await links.endSession(sid);
    },
    due: () => hearing.lostFor(patienceMs),
    log,
    complaint: "Whether those who are connected still may be cannot be read; trying again",
    relief: "Whether those who are connected still may be is known again",
  });

  const stream = feeds.standings(links.changed, hearing.told);

  return {
    stream,
    async close() {
      await Promise.all([stream.close(), catchUp.close()]);
    },
  };
}
