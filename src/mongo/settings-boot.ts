import type { Log } from "../kernel/log.ts";
import type { SettingValues } from "./settings-document.ts";
import type { SessionMode, SettingsStore } from "./settings-types.ts";

interface BootConfig {
  SESSION_REDIS_MODE: SessionMode;
  SESSION_REDIS_PERCENT: number;
}

/** What is in force until somebody changes a setting for the first time. */
export function bootSettings({ SESSION_REDIS_MODE: mode, SESSION_REDIS_PERCENT: percent }: BootConfig): SettingValues {
  return { redisDisabled: false, sessions: { mode, percent, oldServers: true }, caches: {} };
}

/** Says by whose word the dial stands where it stands. */
export function sayWhoseDial({ current, stored }: Pick<SettingsStore, "current" | "stored">, log: Log): void {
  const { revision, sessions } = current;
  const { mode, percent } = sessions;
  if (stored)
    log.info(
      { revision, mode, percent },
      "The dial stands where the settings in MongoDB say; SESSION_REDIS_MODE and SESSION_REDIS_PERCENT are ignored",
    );
  else log.info({ mode, percent }, "The dial stands where SESSION_REDIS_MODE and SESSION_REDIS_PERCENT say");
}
