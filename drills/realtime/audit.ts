import type { Stretch, Visitor } from "./visitor.ts";

/** A message as MongoDB holds it. */
export interface Stored {
  readonly id: string;
  readonly text: string;
  readonly type: string;
  readonly author: string;
  readonly target: string | null;
  readonly at: number;
}

export const wrongs = {
  missing: "messages that a connected client was not shown",
  lost: "messages that a client was shown neither before nor after it came back",
  twice: "messages shown twice",
  strange: "messages shown that are not the room's, or older than its history",
  disorder: "histories out of order",
  unsaid: "words that are not stored once, and nobody was told",
  refused: "people who were asked to log in again",
  outside: "people who are not back in their room",
} as const;

export type Wrong = keyof typeof wrongs;

export interface Audit {
  readonly counts: Record<Wrong, number>;
  readonly examples: string[];
  readonly shown: number;
  /** Words that a client was told could not be taken: an overloaded machine may do so. */
  readonly told: number;
}

/** What is under way when a connection ends may be missing on it; it must be there after the return. */
const tailMs = 3_000;

const order = (a: { timestamp: string; id: string }, b: { timestamp: string; id: string }) =>
  Date.parse(a.timestamp) - Date.parse(b.timestamp) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** What every client was shown, against what MongoDB holds. `rooms`: ascending by (timestamp, id). */
export function audit(visitors: readonly Visitor[], rooms: ReadonlyMap<string, readonly Stored[]>): Audit {
  const counts = Object.fromEntries(Object.keys(wrongs).map((wrong) => [wrong, 0])) as Record<Wrong, number>;
  const examples: string[] = [];
  let shown = 0;
  const note = (wrong: Wrong, words: string) => {
    counts[wrong] += 1;
    if (examples.length < 20) examples.push(`${wrong}: ${words}`);
  };

  for (const visitor of visitors) {
    const { name, room, stretches } = visitor;
    const visible = (rooms.get(room) ?? []).filter(
      ({ type, author, target }) => type !== "private" || author === name || target === name,
    );
    const places = new Map(visible.map(({ id }, place) => [id, place]));
    const sets = stretches.map(({ history, live }) => new Set([...history, ...live].map(({ id }) => id)));
    const oldestOf = ({ history }: Stretch) => places.get(history[0]?.id ?? "") ?? 0;

    for (const [i, stretch] of stretches.entries()) {
      const { history, live, endedAt } = stretch;
      const set = sets[i] ?? new Set();
      shown += history.length + live.length;
      if (history.some((entry, n) => n > 0 && order(history[n - 1] ?? entry, entry) > 0)) note("disorder", name);
      if (set.size < history.length + live.length) {
        const all = [...history, ...live].map(({ id }) => id);
        for (const id of all.filter((one, n) => all.indexOf(one) !== n)) note("twice", `${name} ${id}`);
      }
      const oldest = oldestOf(stretch);
      for (const id of set) if ((places.get(id) ?? -1) < oldest) note("strange", `${name} ${id}`);
      const next = stretches[i + 1];
      for (const { id, text, at } of visible.slice(oldest)) {
        if (endedAt !== undefined && at > endedAt) break;
        if (set.has(id)) continue;
        if (endedAt === undefined || at < endedAt - tailMs) note("missing", `${name} ${id} "${text}" of stretch ${i}`);
        else if (next && (places.get(id) ?? 0) >= oldestOf(next) && !sets.slice(i + 1).some((later) => later.has(id)))
          note("lost", `${name} ${id} "${text}"`);
      }
    }
    if (!visitor.settled) note("outside", name);
    for (const words of visitor.refusals) note("refused", `${name}: ${words}`);
  }

  const stored = new Map<string, number>();
  for (const messages of rooms.values()) for (const { text } of messages) stored.set(text, (stored.get(text) ?? 0) + 1);
  for (const { name, said, errors } of visitors) {
    const timesOf = ({ text }: { text: string }) => stored.get(text) ?? 0;
    for (const word of said) if (timesOf(word) > 1) note("unsaid", `${name} "${word.text}", ${timesOf(word)} times`);
    const absent = said.filter((word) => !word.inDoubt && timesOf(word) === 0);
    for (const { text } of absent.slice(errors.length)) note("unsaid", `${name} "${text}"`);
  }
  const told = visitors.reduce((sum, { errors }) => sum + errors.length, 0);
  return { counts, examples, shown, told };
}
