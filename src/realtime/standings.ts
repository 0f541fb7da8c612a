import { LRUCache } from "lru-cache";
import type { Standing, Users } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import { createSingleFlight } from "../kernel/single-flight.ts";

/** What others did to a user counts this soon, even where no word of it arrives. */
const freshMs = 1_000;
/** While every change is heard of. */
const heardMs = 10_000;

/** Who may act now: read again when what is known is older than a moment, or was changed since. */
export interface Standings {
  /** Of one who acts; shared by the events of that moment. */
  recent(userId: string): Promise<Standing | null>;
  /** As it is in the store now. */
  read(userId: string): Promise<Standing | null>;
  /** The user was changed. */
  forget(userId: string): void;
  /** Changes may have been missed. */
  clear(): void;
}

/** `heard`: whether every change to a user is heard of now. */
export function createStandings(users: Pick<Users, "standing">, clock: Clock, heard: () => boolean): Standings {
  const known = new LRUCache<string, { at: number; standing: Standing }>({ max: 20_000 });
  const flight = createSingleFlight<Standing | null>();
  let changes = 0;

  async function read(userId: string): Promise<Standing | null> {
    const at = clock.now();
    const before = changes;
    const standing = await users.standing(userId);
    // Changed meanwhile: it is the answer to this question only.
    if (standing && before === changes) known.set(userId, { at, standing });
    else known.delete(userId);
    return standing;
  }

  return {
    read,
    async recent(userId) {
      const last = known.get(userId);
      if (last && clock.now() - last.at < (heard() ? heardMs : freshMs)) return last.standing;
      return flight(userId, () => read(userId));
    },
    forget(userId) {
      changes += 1;
      known.delete(userId);
    },
    clear() {
      changes += 1;
      known.clear();
    },
  };
}
