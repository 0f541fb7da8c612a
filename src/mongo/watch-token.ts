import type { ResumeToken } from "mongodb";
import type { Log } from "../kernel/log.ts";
import { within } from "./bounded.ts";

/** Where a follower was, for a follower that outlives its process. A token is stored after its change was applied. */
export interface TokenStore {
  load(): Promise<ResumeToken | undefined>;
  save(token: ResumeToken): Promise<void>;
}

export interface TokenKeeper {
  /** The stored token, asked for until it could be read once. */
  load(known: ResumeToken | undefined): Promise<ResumeToken | undefined>;
  /** Stores at most once a second, and an idle stream's once a minute, lest it be too old one day. */
  keep(token: ResumeToken | undefined, changed: boolean): Promise<void>;
  /** Stores what is not stored yet. */
  flush(): Promise<void>;
}

const changedEveryMs = 1_000;
const idleEveryMs = 60_000;
const deadlineMs = 2_000;

export function createTokenKeeper(store: TokenStore | undefined, log: Log, collection: string): TokenKeeper {
  let loaded = store === undefined;
  let newest: ResumeToken | undefined;
  let savedAt = performance.now();
  let changed = false;
  let failing = false;

  async function save(): Promise<void> {
    if (!store || !newest) return;
    savedAt = performance.now();
    try {
      const saving = newest;
      await within(deadlineMs, store.save(saving));
      if (saving === newest) changed = false;
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ collection, err: error }, "A resume token was not stored; it is tried again");
      failing = true;
    }
  }

  return {
    async load(known) {
      if (loaded || !store) return known;
      const stored = await within(deadlineMs, store.load());
      loaded = true;
      return typeof stored === "object" && stored !== null ? stored : undefined;
    },
    async keep(token, applied) {
      newest = token;
      changed ||= applied;
      if (performance.now() - savedAt >= (changed ? changedEveryMs : idleEveryMs)) await save();
    },
    async flush() {
      if (changed) await save();
    },
  };
}
