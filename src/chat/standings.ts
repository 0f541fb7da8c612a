import { inChunks } from "../kernel/chunks.ts";
import { createRemembered } from "../kernel/remembered.ts";
import type { Watcher } from "../mongo/watch.ts";
import type { Feeds } from "./services/feeds.ts";
import type { Standing, Users } from "./services/types.ts";

/** Who may act now, without asking MongoDB each time: whoever changes a user is heard of through its change stream. */
export interface Standings {
  /** Of one who acts on an open connection. */
  recent(userId: string): Promise<Standing | null>;
  /** Of one who comes to the door: asked for each time, unless the other instances tell of every change at once. */
  known(userId: string): Promise<Standing | null>;
  /** As it is in MongoDB now. */
  read(userId: string): Promise<Standing | null>;
  /** The user was changed. */
  forget(userId: string): void;
  /** Changes may have been missed. */
  clear(): void;
  /** Absent where nobody else is there to change anything. */
  readonly stream?: Watcher;
  close(): Promise<void>;
}

interface Options {
  users: Pick<Users, "standing">;
  feeds?: Pick<Feeds, "standings" | "standingsOf"> | undefined;
  /** No longer than this, whatever is heard. */
  longestMs: number;
  /** Whether the other instances' word of what they change comes at once. */
  prompt?: () => boolean;
}

/** What others did to a user counts this soon, even where no word of it arrives. */
const unheardMs = 1_000;
const most = 20_000;
const mostAtOnce = 1_000;
/** Of the time that a standing is remembered for: those that get old meanwhile are asked for together. */
const gathered = 1 / 60;

export function createStandings({ users, feeds, longestMs, prompt = () => false }: Options): Standings {
  const heard = () => stream?.live === true;
  const aging = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;

  /** Those who are not found, or in vain, are asked for one by one when their time is over. */
  async function lookAhead({ standingsOf }: Pick<Feeds, "standingsOf">): Promise<void> {
    const ids = [...aging];
    aging.clear();
    gathering = undefined;
    for (const some of inChunks(ids, mostAtOnce)) {
      const since = remembered.mark();
      const found = await standingsOf(some).catch(() => []);
      for (const { standing } of found) remembered.keep(standing.id, standing, since);
    }
  }

  const remembered = createRemembered<Standing>({
    ...{ heard, longestMs, unheardMs, most },
    // A ban ends by time, and nothing tells of that.
    trueForMs: ({ banned }) => (banned ? 0 : Number.POSITIVE_INFINITY),
    onAging(userId) {
      if (!feeds) return;
      aging.add(userId);
      gathering ??= setTimeout(() => void lookAhead(feeds), gathered * longestMs).unref();
    },
  });
  const { forget, clear } = remembered;
  const stream = feeds?.standings(
    ({ userId }) => forget(userId),
    (live, whole) => {
      if (!live || !whole) clear();
    },
  );
  const recent = (userId: string) => remembered.find(userId, users.standing);
  const read = (userId: string) => remembered.look(userId, users.standing);

  return {
    recent,
    known: (userId) => (prompt() && heard() ? recent(userId) : read(userId)),
    read,
    forget,
    clear,
    ...(stream && { stream }),
    async close() {
      clearTimeout(gathering);
      await stream?.close();
    },
  };
}
