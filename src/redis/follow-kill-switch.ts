import type { Log } from "../kernel/log.ts";
import type { RedisDoor } from "./types.ts";

/** Where the kill switch stands, as whoever follows the settings knows it. */
interface KillSwitch {
  readonly current: { readonly redisDisabled: boolean };
  readonly loaded: Promise<unknown>;
  readonly events: { on(name: "change", listener: () => void): () => void };
}

/** `sluice kill on` keeps this process away from Redis, too. What the environment has switched off stays so. */
export function followKillSwitch(settings: KillSwitch, door: Pick<RedisDoor, "state" | "disable">, log: Log): void {
  if (door.state === "disabled") return;
  let off = false;
  const follow = () => {
    const { redisDisabled } = settings.current;
    if (redisDisabled === off) return;
    off = redisDisabled;
    log.warn({}, `The kill switch is ${off ? "on: no command goes to Redis" : "off"}`);
    door
      .disable(off, `the kill switch is ${off ? "on" : "off"}`)
      .catch((error: unknown) => log.error({ err: error }, "Redis was not switched"));
  };
  settings.events.on("change", follow);
  void settings.loaded.then(follow);
}
