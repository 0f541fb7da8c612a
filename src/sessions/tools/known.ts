import type { ChangeBy, SettingsStore } from "../../mongo/settings-types.ts";

/** What an operator asked for, as on the command's line. */
interface Flags {
  dryRun?: boolean;
  restart?: boolean;
  endMissing?: boolean;
  force?: boolean;
}

/** Runs a tool as operators do: the history says who ran it, why, and what it came to; not of one that only counts. */
export function known<T extends object>(
  settings: Pick<SettingsStore, "act">,
  tool: "backfill" | "import",
  { dryRun, restart, endMissing, force }: Flags,
  by: ChangeBy,
  run: () => Promise<T>,
): Promise<T> {
  if (dryRun) return run();
  const flags = [restart && "--restart", endMissing && "--end-missing", force && "--force"].filter(Boolean);
  return settings.act(["sessions", tool, ...flags].join(" "), by, run);
}
