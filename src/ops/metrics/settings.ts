import type { SettingsStore } from "../../mongo/settings-types.ts";
import type { Theme } from "../metrics.ts";
import { gauge } from "./series.ts";

/** Which settings this instance goes by. */
export function settingsMetrics(settings: Pick<SettingsStore, "current" | "changedAt">): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_settings_revision",
      help: "Revision of the settings in force here; instances that differ for long do not follow.",
      read: (made) => made.set(settings.current.revision),
    });
    gauge({
      registry,
      name: "chat_rollout_last_change_timestamp_seconds",
      help: "When the settings were changed last, as Unix time; 0 for never.",
      read: (made) => made.set((settings.changedAt?.getTime() ?? 0) / 1_000),
    });
    return () => undefined;
  };
}
