import { doubtMs, type Refused, type Said, type Stretch, type Visitor } from "./visitor.ts";

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
  /** When each word was said that somebody was not shown, or that is not stored. */
  readonly losses: readonly number[];
  /** Words under way when a connection broke, that are not stored: nobody was promised them. */
  readonly doubted: number;
}

/** What is under way when a connection ends may be missing on it; it must be there after the return. */
const tailMs = 3_000;
/** As shipped: a longer past is cut. */
const fullHistory = 50;
/** A server that cannot take a word says so within this. */
const refusedWithinMs = 10_000;

/** Each client is answered in the order in which it spoke. */
const mayBeOf = (error: Refused, word: Said) =>
  error.over === word.over &&
  (error.way ?? word.way) === word.way &&
  error.at >= word.at &&
  error.at - word.at < refusedWithinMs;

const how = ({ unshownFor }: Said) =>
  unshownFor === undefined ? "its connection did not break" : `${unshownFor} ms before its connection broke`;

const order = (a: { timestamp: string; id: string }, b: { timestamp: string; id: string }) =>
  Date.parse(a.timestamp) - Date.parse(b.timestamp) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/**
 * What every client was shown, against what MongoDB holds. `rooms`: ascending by (timestamp, id). `mayBreak`: whether
 * something ended at that moment that takes connections with it.
 */
export function audit(
  visitors: readonly Visitor[],
  rooms: ReadonlyMap<string, readonly Stored[]>,
  mayBreak: (at: number) => boolean = () => false,
): Audit {
  const counts = Object.fromEntries(Object.keys(wrongs).map((wrong) => [wrong, 0])) as Record<Wrong, number>;
  const examples: string[] = [];
  const losses: number[] = [];
  let shown = 0;
  let doubted = 0;
  const note = (wrong: Wrong, words: string) => {
    counts[wrong] += 1;
    if (examples.length < 20) examples.push(`${wrong}: ${words}`);
  };
  const noteLoss = (wrong: Wrong, at: number, words: string) => {
    losses.push(at);
    note(wrong, words);
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
      // What was stored by another instance in the same moment may come after a history that has room for it.
      const first = history.length < fullHistory ? 0 : oldest;
      for (const id of set) if ((places.get(id) ?? -1) < first) note("strange", `${name} ${id}`);
      const next = stretches[i + 1];
      for (const { id, text, at } of visible.slice(oldest)) {
        if (endedAt !== undefined && at > endedAt) break;
        if (set.has(id)) continue;
        if (endedAt === undefined || at < endedAt - tailMs)
          noteLoss("missing", at, `${name} ${id} "${text}" of stretch ${i}`);
        else if (next && (places.get(id) ?? 0) >= oldestOf(next) && !sets.slice(i + 1).some((later) => later.has(id)))
          noteLoss("lost", at, `${name} ${id} "${text}"`);
      }
    }
    if (!visitor.settled) note("outside", name);
    for (const words of visitor.refusals) note("refused", `${name}: ${words}`);
  }

  const stored = new Map<string, number>();
  for (const messages of rooms.values()) for (const { text } of messages) stored.set(text, (stored.get(text) ?? 0) + 1);
  for (const { name, said, errors } of visitors) {
    const unused = [...errors];
    for (const word of said) {
      const times = stored.get(word.text) ?? 0;
      if (times > 1) note("unsaid", `${name} "${word.text}", ${times} times`);
      if (times > 0) continue;
      const refused = unused.findIndex((error) => mayBeOf(error, word));
      if (refused >= 0) unused.splice(refused, 1);
      else if ((word.unshownFor ?? Number.POSITIVE_INFINITY) < doubtMs && mayBreak(word.at)) doubted += 1;
      else noteLoss("unsaid", word.at, `${name} "${word.text}", ${how(word)}`);
    }
  }
  return { counts, examples, shown, losses, doubted };
}
