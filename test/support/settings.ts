import { systemClock } from "../../src/kernel/clock.ts";
import type { MongoLink } from "../../src/mongo/connect.ts";
import { createSettingsStore, type FollowedSettings } from "../../src/mongo/settings.ts";
import { watchCollection } from "../../src/mongo/watch.ts";
import { createRecorder } from "./recorder.ts";

/** The settings as one instance knows them; whoever opens them closes them. */
export async function openSettings({ db }: Pick<MongoLink, "db">): Promise<FollowedSettings> {
  const defaults = {
    redisDisabled: false,
    sessions: { mode: "serve", percent: 0, oldServers: true },
    caches: {},
  } as const;
  const settings = createSettingsStore({
    db,
    watch: watchCollection,
    defaults,
    clock: systemClock,
    log: createRecorder(),
    pollMs: 100,
  });
  await settings.loaded;
  return settings;
}
