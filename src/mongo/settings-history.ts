import type { Collection } from "mongodb";
import type { Acts } from "./acts.ts";
import type { HistoryLine } from "./settings-document.ts";
import type { ActEntry, ChangeEntry, HistoryEntry, SettingsStore } from "./settings-types.ts";

/** By their times, but revisions stay in their order whatever the clocks of two servers say. */
function merged(changes: ChangeEntry[], acts: ActEntry[]): HistoryEntry[] {
  const all: HistoryEntry[] = [];
  const later = [...acts];
  for (const change of changes) {
    while (later[0] && later[0].at > change.at) all.push(...later.splice(0, 1));
    all.push(change);
  }
  return [...all, ...later];
}

/** Who did what, when and why. */
export function createHistory(
  lines: Collection<HistoryLine>,
  acts: Pick<Acts, "newest">,
): Pick<SettingsStore, "history" | "since"> {
  async function since(revision: number, limit = 0): Promise<ChangeEntry[]> {
    const found = await lines
      .find({ _id: { $gt: revision } })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray();
    return found.map(({ _id, ...line }) => ({ revision: _id, ...line }));
  }
  return {
    since: (revision) => since(revision),
    async history(limit) {
      const [changes, newest] = await Promise.all([since(0, limit), acts.newest(limit)]);
      return merged(changes, newest).slice(0, limit);
    },
  };
}
