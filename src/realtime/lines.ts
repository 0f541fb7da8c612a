import type { Member } from "./types.ts";

/**
 * Whether the room is told in a line that somebody came or went. Lines are kept among what people say, so a crowd that is
 * lost at once, and comes back, gets none: they would push people's words out of the history. Of a crowd that comes as if
 * for the first time (what took it away has taken its instance as well) only the first few get one.
 */
export interface Lines {
  left(room: string, members: readonly Member[]): void;
  /** Their instance is dead, and one of the others tells that they left. */
  vanished(room: string, members: readonly Member[]): void;
  /** Whether a line says that this member came. */
  came(room: string, member: Member): boolean;
  close(): void;
}

interface Options {
  /** Who is in the room by now, on any instance. */
  membersOf(room: string): Promise<readonly Member[]>;
  onLeft(room: string, member: Member): void;
  gatherMs?: number;
  /** Who left without a line comes back without one, within this. */
  silentMs?: number;
  now?: () => number;
}

const linesAtOnce = 10;
const arrivalsAtOnce = 15;
const crowdMs = 1_000;
const mostRooms = 1_000;

interface Gathering {
  members: Map<string, Member>;
  timer: NodeJS.Timeout;
}

export function createLines(options: Options): Lines {
  const { membersOf, onLeft, gatherMs = 500, silentMs = 60_000, now = () => performance.now() } = options;
  const gathering = new Map<string, Gathering>();
  /** By room, then by user: until when. */
  const silent = new Map<string, Map<string, number>>();
  /** When the latest came, by room. */
  const latest = new Map<string, number[]>();

  /** It lasts for as long as they go on coming. */
  function isOneOfMany(room: string): boolean {
    const since = now() - crowdMs;
    const lately = (latest.get(room) ?? []).filter((at) => at > since);
    if (latest.size > mostRooms) latest.clear();
    latest.set(room, [...lately, now()].slice(-arrivalsAtOnce));
    return lately.length === arrivalsAtOnce;
  }

  function silence(room: string, members: Iterable<Member>): void {
    const known = silent.get(room) ?? new Map<string, number>();
    for (const [userId, until] of known) if (until < now()) known.delete(userId);
    for (const { userId } of members) known.set(userId, now() + silentMs);
    silent.set(room, known);
  }

  async function tell(room: string): Promise<void> {
    const members = gathering.get(room)?.members;
    gathering.delete(room);
    if (!members) return;
    if (members.size > linesAtOnce) return silence(room, members.values());
    // They may have come back through another instance.
    const here = new Set((await membersOf(room)).map(({ userId }) => userId));
    for (const member of members.values()) if (!here.has(member.userId)) onLeft(room, member);
  }

  function gather(room: string): Gathering {
    const known = gathering.get(room);
    if (known) return known;
    const begun = { members: new Map<string, Member>(), timer: setTimeout(() => void tell(room), gatherMs).unref() };
    gathering.set(room, begun);
    return begun;
  }

  return {
    left(room, members) {
      const { members: all } = gather(room);
      for (const member of members) all.set(member.userId, member);
    },
    vanished(room, members) {
      if (members.length > linesAtOnce) silence(room, members);
    },
    came(room, { userId }) {
      // Nobody has been told yet that they left.
      if (gathering.get(room)?.members.delete(userId)) return false;
      const known = silent.get(room);
      const until = known?.get(userId);
      known?.delete(userId);
      if (known?.size === 0) silent.delete(room);
      if (until !== undefined && until >= now()) return false;
      return !isOneOfMany(room);
    },
    close() {
      for (const { timer } of gathering.values()) clearTimeout(timer);
      gathering.clear();
    },
  };
}
