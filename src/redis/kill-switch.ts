import type { Log } from "../kernel/log.ts";
import type { RedisDoor } from "./types.ts";

/** Where the kill switch stands, as whoever follows the settings knows it. */
interface Settings {
  readonly current: { readonly redisDisabled: boolean };
  readonly events: { on(name: "change", listener: () => void): () => void };
}

export interface KillSwitchOptions {
  settings: Settings;
  door: Pick<RedisDoor, "disable">;
  /** DISABLE_REDIS: it wins until a restart without it, for who set it may not reach the settings, and must not be overruled by them. */
  forced: boolean;
  log: Log;
}

export interface KillSwitch {
  /** Who keeps Redis switched off; null when nobody does. */
  readonly by: "environment" | "settings" | null;
  close(): Promise<void>;
}

/** `sluice kill on` keeps this process away from Redis, too. */
export function followKillSwitch({ settings, door, forced, log }: KillSwitchOptions): KillSwitch {
  const wanted = () => settings.current.redisDisabled;
  let known = wanted();
  let off = forced;
  let turning: Promise<void> = Promise.resolve();

  async function turn(): Promise<void> {
    if (off === wanted()) return;
    off = wanted();
    const reason = `the kill switch is ${off ? "on" : "off"}`;
    await door.disable(off, reason).catch((error: unknown) => log.error({ err: error }, "Redis was not switched"));
  }

  function follow(): void {
    if (!forced) turning = turning.then(turn);
    else if (known !== wanted())
      log.warn(
        { redisDisabled: wanted() },
        "DISABLE_REDIS keeps Redis off; the change of the kill switch waits for a restart",
      );
    known = wanted();
  }

  if (forced)
    log.warn({}, "Redis is switched off by DISABLE_REDIS, whatever the settings say, until a restart without it");
  // At once, where the settings are known: the door may be started right after this, and must not connect first.
  else turning = turn();
  const unfollow = settings.events.on("change", follow);
  return {
    get by() {
      if (forced) return "environment";
      return wanted() ? "settings" : null;
    },
    async close() {
      unfollow();
      await turning;
    },
  };
}
