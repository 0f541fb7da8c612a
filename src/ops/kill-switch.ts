import { type SluiceError, UnavailableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { ChangeBy, Settings, SettingsStore } from "../mongo/settings-types.ts";
import type { RedisDoor } from "../redis/types.ts";

export interface KillSwitchOptions {
  settings: Pick<SettingsStore, "current" | "events">;
  door: Pick<RedisDoor, "disable">;
  config: { DISABLE_REDIS: boolean };
  log: Log;
}

export interface KillSwitch {
  /** Who keeps Redis switched off; null when nobody does. */
  readonly by: "environment" | "settings" | null;
  close(): Promise<void>;
}

/**
 * Makes the door follow the settings. DISABLE_REDIS wins until a restart without it: who set it may not reach the settings
 * and must not be overruled by them.
 */
export function followKillSwitch({ settings, door, config, log }: KillSwitchOptions): KillSwitch {
  const forced = config.DISABLE_REDIS;
  let wanted = forced || settings.current.redisDisabled;
  let done = false;
  let turning: Promise<void> = Promise.resolve();

  async function turn(): Promise<void> {
    if (done === wanted) return;
    done = wanted;
    const by = forced ? "DISABLE_REDIS is set" : "the kill switch is on";
    const reason = wanted ? by : "the kill switch is off";
    await door.disable(wanted, reason).catch((error: unknown) => log.error({ err: error }, "Redis was not switched"));
  }

  const follow = () => {
    turning = turning.then(turn);
  };
  if (forced)
    log.warn({}, "Redis is switched off by DISABLE_REDIS, whatever the settings say, until a restart without it");
  // At once: the door is started right after this, and must not connect first.
  turning = turn();
  const unfollow = settings.events.on("change", ({ before }) => {
    const { redisDisabled } = settings.current;
    if (!forced) {
      wanted = redisDisabled;
      follow();
    } else if (before.redisDisabled !== redisDisabled)
      log.warn({ redisDisabled }, "DISABLE_REDIS keeps Redis off; the change of the kill switch waits for a restart");
  });
  return {
    get by() {
      if (forced) return "environment";
      return wanted ? "settings" : null;
    },
    async close() {
      unfollow();
      await turning;
    },
  };
}

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
