import type { Db } from "mongodb";

/** What MongoDB has, as the answers should tell it; shares nothing with the product. */
interface Snapshot {
  at: number;
  users: Map<string, Told>;
  channels: Map<string, Told>;
}

/** `seen`: when somebody was active; `status`: whether they are there. Both change more often than anybody can look. */
interface Told {
  text: string;
  status: string;
  seen: number;
}

export type Listing = "users" | "channels";

export interface Oracle {
  /** Whether it has looked for long enough to judge what was asked for then. */
  knows(asked: number): boolean;
  /** What is wrong with an answer that came now; undefined when nothing is, or when it does not know. */
  check(listing: Listing, body: string, asked: number): Promise<string | undefined>;
  close(): void;
}

type Plain = Record<string, unknown>;

/** By its id, of one of a list as JSON, be it MongoDB's or an answer's. */
const toldOf: Record<Listing, (one: Plain) => [string, Told]> = {
  users: ({ _id, nickname, role, createdAt, status, lastActive }) => [
    String(_id),
    {
      text: JSON.stringify([nickname, role, createdAt]),
      status: String(status),
      seen: Date.parse(String(lastActive)),
    },
  ],
  channels: ({ id, name, type, description, createdBy, position }) => [
    String(id),
    { text: JSON.stringify([name, type, description, createdBy, position]), status: "", seen: 0 },
  ],
};

const entriesOf = (listing: Listing, body: string) => (JSON.parse(body) as Plain[]).map(toldOf[listing]);

async function snapshot(db: Db): Promise<Snapshot> {
  const read = async (listing: Listing) => {
    const all = await db.collection(listing).find().toArray();
    return new Map(entriesOf(listing, JSON.stringify(all)));
  };
  const [users, channels] = await Promise.all([read("users"), read("channels")]);
  return { at: Date.now(), users, channels };
}

/** Whether that was so at some moment, as far as those who look now and then can tell. */
function wasSo({ text, status, seen }: Told, moments: readonly (Told | undefined)[]): boolean {
  const known = moments.filter((one) => one !== undefined);
  const times = known.map((one) => one.seen);
  const same = known.filter((one) => one.text === text);
  if (same.length === 0 || seen < Math.min(...times) || seen > Math.max(...times)) return false;
  // Who was active after one look came, or came and went, before the next, and nobody saw it.
  const unseen = known.some((one, n) => seen <= one.seen && seen > (known[n - 1] ?? one).seen);
  return unseen || same.some((one) => one.status === status);
}

/** What it was when it was looked at, in ms from the question on. */
const storyOf = (looked: readonly Snapshot[], moments: readonly (Told | undefined)[], asked: number): string =>
  looked.map(({ at }, n) => `at ${at - asked} ms ${JSON.stringify(moments[n] ?? "nothing")}`).join(", ");

/** Looks at MongoDB all the time, so that it knows what was true at any moment of the last seconds. */
export function createOracle(db: Db, { everyMs, boundMs }: { everyMs: number; boundMs: number }): Oracle {
  let snapshots: Snapshot[] = [];
  const look = async () => {
    const seen = await snapshot(db).catch(() => undefined);
    if (seen) snapshots = [...snapshots.filter(({ at }) => at > Date.now() - 10_000), seen];
  };
  const timer = setInterval(look, everyMs);
  void look();
  const lastBefore = (asked: number) => snapshots.filter(({ at }) => at <= asked - boundMs).at(-1);

  return {
    knows: (asked) => lastBefore(asked) !== undefined,
    async check(listing, body, asked) {
      await look();
      const from = lastBefore(asked);
      if (!from) return undefined;
      const looked = snapshots.filter(({ at }) => at >= from.at);
      const window = looked.map((one) => one[listing]);
      const told = entriesOf(listing, body);
      const ids = new Set(told.map(([id]) => id));
      if (ids.size !== told.length) return "somebody is told of twice";
      for (const [id, one] of told) {
        const moments = looked.map((moment) => moment[listing].get(id));
        if (!wasSo(one, moments)) return `${id} was never ${JSON.stringify(one)}: ${storyOf(looked, moments, asked)}`;
      }
      for (const id of from[listing].keys())
        if (!ids.has(id) && window.every((one) => one.has(id))) return `${id} is missing`;
      return undefined;
    },
    close: () => clearInterval(timer),
  };
}
