import type { SettingsStore } from "../../mongo/settings-types.ts";
import type { DialSettings, SessionDial } from "../types.ts";

const same = (one: DialSettings, other: DialSettings): boolean =>
  one.mode === other.mode && one.percent === other.percent && one.oldServers === other.oldServers;

/** The dial that the settings hold: what one instance changes, all follow. */
export function settingsDial(settings: Pick<SettingsStore, "current" | "events">): SessionDial {
  return {
    get current() {
      return settings.current.sessions;
    },
    onChange: (listener) =>
      settings.events.on("change", ({ before, after }) => {
        if (!same(before.sessions, after.sessions)) listener(after.sessions, before.sessions);
      }),
  };
}
