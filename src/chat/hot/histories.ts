import type { Derived } from "../../cache/derived.ts";
import type { CacheMemory } from "../../cache/memory.ts";
import { type Answer, bytesOf, makeAnswer } from "../../cache/wire.ts";
import type { ChatCaches } from "../caches/index.ts";
import { marksAsked, pastIn, whispersFor } from "../caches/whispers.ts";
import { cursorOf, isBefore } from "../services/messages.ts";
import type { Message } from "../services/types.ts";

/** So many messages are on a page when nobody says how many. */
export const usualPage = 50;

/** The page that a channel opens with, as bytes: one for all who have no private message on it. */
export interface Histories {
  /** Undefined: it must be made for this reader. Whether they may read the channel is not looked at. */
  read(room: string, reader: string): Promise<Derived<Answer> | undefined>;
}

export const noHistories: Histories = { read: async () => undefined };

export function shownMessage({ id, author, room, text, type, target, timestamp }: Message) {
  return { id, author, room, text, type, target, timestamp };
}

interface Page {
  /** Absent where it takes more than is in the cache. */
  readonly answer?: Answer;
  /** Of a full page the first message; it must be known whether there are others before it. */
  readonly oldest?: Message;
}

interface Options {
  caches: Pick<ChatCaches, "messages" | "whispers">;
  memory: Pick<CacheMemory, "derive">;
  historyLimit: number;
}

export function createHistories({ caches: { messages, whispers }, memory, historyLimit }: Options): Histories {
  const pages = memory.derive<Message, Page>(messages, "page", async ({ entries, version }) => {
    const shown = entries.slice(0, usualPage).reverse();
    const oldest = entries.length >= historyLimit ? shown[0] : undefined;
    if (oldest && shown.length < usualPage) return { value: {}, bytes: 0 };
    const body = JSON.stringify({ messages: shown.map(shownMessage), before: oldest ? cursorOf(oldest) : null });
    // One that is sent only once is not worth packing.
    const answer = await makeAnswer(body, version === undefined ? { packFrom: Number.POSITIVE_INFINITY } : { version });
    return { value: { answer, ...(oldest && { oldest }) }, bytes: bytesOf(answer) };
  });

  return {
    async read(room, reader) {
      const asked = performance.now();
      if (!messages.on || !(await whispers.sure(asked))) return undefined;
      const { value, from } = await pages.read(room);
      const { answer, oldest } = value;
      // After the page: marks that are older would not tell of what was said to the reader before the last on it.
      const marks = await whispers.read(room, whispersFor(reader), marksAsked(from, asked));
      const { latest, older } = pastIn(marks.entries, reader);
      const noneOfTheirs = latest === undefined || (oldest !== undefined && latest < oldest.timestamp.getTime());
      const beginningKnown = oldest === undefined || (older !== undefined && isBefore(older, oldest));
      return answer && noneOfTheirs && beginningKnown ? { value: answer, from } : undefined;
    },
  };
}
