import type { ChangeStreamDocument, Document } from "mongodb";
import type { Element, Shape } from "./shapes/shape.ts";
import type { Freshness } from "./types.ts";

/** What a change in MongoDB means for a cache. */
export type Followed<Entry> =
  /** The entries as they are after the change, whoever made it: they go in where nothing newer is. */
  | { readonly key: string; readonly entries: readonly Entry[] }
  /** A server that keeps versions wrote it, and puts it into Redis itself; if it has died, what is there is older (`exact`: another). */
  | { readonly key: string; readonly id: string; readonly version: number; readonly exact?: true }
  | { readonly key: string; readonly drop: string }
  /** Somebody who keeps no versions wrote it: it is given one, and goes in. Where the declaration cannot, the key is dropped. */
  | { readonly key: string; readonly adopt: string }
  /** Deleted; nobody knows which key it was in. */
  | { readonly gone: string }
  /** Nobody knows what all is old now. */
  | { readonly everything: string };

export interface Following<Entry> {
  readonly collection: string;
  /** What of a change is sent at all. */
  readonly pipeline?: Document[];
  /** Raises the versions of these in MongoDB, where they are kept for this, and answers what they are then; those that are no entries any more are left out. */
  adopt?(key: string, ids: readonly string[]): Promise<Entry[]>;
  /** A promise when MongoDB has to be asked for what the change does not say. What it throws for is old, whatever it is. */
  read(change: ChangeStreamDocument<Document>): Followed<Entry> | undefined | Promise<Followed<Entry> | undefined>;
}

/** All that is to be said of a cache but what is in it. */
export interface Declaration<Entry, Slice> {
  readonly name: string;
  readonly shape: Shape<Slice>;
  key(key: string): string;
  readonly ttlSeconds: number;
  readonly freshness: Freshness;
  /** All entries, in the order in which they are read; from the primary, and nothing that it might take back. */
  load(key: string): Promise<Entry[]>;
  /** Some of them, without the others; absent, they are picked out of all. */
  loadSlice?(key: string, slice: Slice): Promise<Entry[]>;
  pick?(entries: readonly Entry[], slice: Slice): readonly Entry[];
  /** The slice of those with these ids, where the structure can tell them apart. */
  byIds?(ids: readonly string[]): Slice;
  /** Whether Redis may be asked for this slice at all; else it is picked out of all. */
  fits?(slice: Slice): boolean;
  id(entry: Entry): string;
  /** The content as text; throws for what Redis cannot, or must not, hold. */
  element(entry: Entry): Element;
  entry(element: Element): Entry;
  /** 0 where an entry carries none. */
  version(entry: Entry): number;
  compare(a: Entry, b: Entry): number;
  /** Deletions name no key: `gone` must be looked for in what is read. */
  readonly keyless?: true;
  /** The ids in MongoDB of what an entry tells of, where that is not its own id. */
  documents?(entry: Entry): readonly string[];
  /** Of the entries in Redis, or in MongoDB, those that must be the same in the other; absent: all. */
  audited?(entries: readonly Entry[], others: readonly Entry[]): readonly Entry[];
  /** Absent: nobody else writes it. */
  readonly follow?: Following<Entry>;
}

/** The elements of a snapshot; undefined when a structure cannot say what it says: an id twice, another order, or no text. */
export function elementsOf<Entry, Slice>(
  { element, compare }: Declaration<Entry, Slice>,
  entries: readonly Entry[],
): Element[] | undefined {
  let last: Entry | undefined;
  const ids = new Set<string>();
  const elements: Element[] = [];
  try {
    for (const entry of entries) {
      if (last !== undefined && compare(last, entry) > 0) return undefined;
      last = entry;
      const made = element(entry);
      ids.add(made.id);
      elements.push(made);
    }
  } catch {
    return undefined;
  }
  return ids.size === entries.length ? elements : undefined;
}
