import type { Db } from "mongodb";

/** What MongoDB has, as the answers should tell it; shares nothing with the product. */
interface Snapshot {
  at: number;
  users: Map<string, string>;
  channels: Map<string, string>;
}

export type Listing = "users" | "channels";

export interface Oracle {
  /** What is wrong with an answer that came now; undefined when nothing is. */
  check(listing: Listing, body: string, asked: number): Promise<string | undefined>;
  close(): void;
}

const iso = (date: Date) => date.toISOString();

async function snapshot(db: Db): Promise<Snapshot> {
  const [users, channels] = await Promise.all([
    db.collection("users").find().toArray(),
    db.collection("channels").find().toArray(),
  ]);
  return {
    at: Date.now(),
    users: new Map(
      users.map(({ _id, nickname, role, status, createdAt, lastActive }) => [
        String(_id),
        JSON.stringify([nickname, role, status, iso(createdAt), iso(lastActive)]),
      ]),
    ),
    channels: new Map(
      channels.map(({ id, name, type, description, createdBy, position }) => [
        id,
        JSON.stringify([name, type, description, createdBy, position]),
      ]),
    ),
  };
}

function entriesOf(listing: Listing, body: string): [string, string][] {
  const all = JSON.parse(body) as Record<string, unknown>[];
  return all.map((one) =>
    listing === "users"
      ? [String(one._id), JSON.stringify([one.nickname, one.role, one.status, one.createdAt, one.lastActive])]
      : [String(one.id), JSON.stringify([one.name, one.type, one.description, one.createdBy, one.position])],
  );
}

/** Looks at MongoDB all the time, so that it knows what was true at any moment of the last seconds. */
export function createOracle(db: Db, { everyMs = 400, boundMs = 1_200 } = {}): Oracle {
  let snapshots: Snapshot[] = [];
  const look = async () => {
    const seen = await snapshot(db).catch(() => undefined);
    if (seen) snapshots = [...snapshots.filter(({ at }) => at > Date.now() - 10_000), seen];
  };
  const timer = setInterval(look, everyMs);
  void look();

  return {
    async check(listing, body, asked) {
      await look();
      const from = snapshots.filter(({ at }) => at <= asked - boundMs).at(-1);
      if (!from) return undefined;
      const window = snapshots.filter(({ at }) => at >= from.at).map((one) => one[listing]);
      const told = entriesOf(listing, body);
      const ids = new Set(told.map(([id]) => id));
      if (ids.size !== told.length) return "somebody is told of twice";
      for (const [id, text] of told) if (!window.some((one) => one.get(id) === text)) return `${id} was never ${text}`;
      for (const id of from[listing].keys())
        if (!ids.has(id) && window.every((one) => one.has(id))) return `${id} is missing`;
      return undefined;
    },
    close: () => clearInterval(timer),
  };
}
