import { type SluiceError, UnavailableError } from "../kernel/errors.ts";
import type { ChangeBy, Settings, SettingsStore } from "../mongo/settings-types.ts";

const tries = 5;

/** Turns the kill switch, whatever else is being changed at the same time; does nothing when it stands so already. */
export async function changeKillSwitch(
  settings: Pick<SettingsStore, "current" | "stored" | "change">,
  on: boolean,
  by: ChangeBy,
): Promise<Settings> {
  for (let left = tries; left > 0; left--) {
    if (settings.stored && settings.current.redisDisabled === on) return settings.current;
    try {
      return await settings.change({ redisDisabled: on }, by);
    } catch (error) {
      if ((error as Partial<SluiceError>).code !== "SETTINGS_CONFLICT") throw error;
    }
  }
  throw new UnavailableError(
    `The settings were changed by others ${tries} times in a row; turn the kill switch again.`,
  );
}
