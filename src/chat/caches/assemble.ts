import type { Connection } from "mongoose";
import { type CacheRoom, type CacheRoomOptions, createCacheRoom } from "../../cache/room.ts";
import type { SettingsStore } from "../../mongo/settings-types.ts";
import { type ChatCaches, type ChatCachesConfig, createChatCaches, warmSteps } from "./index.ts";

interface Options extends Pick<CacheRoomOptions, "db" | "door" | "log" | "serverId" | "watch" | "looks"> {
  connection: Connection;
  settings: Pick<SettingsStore, "current" | "events">;
  config: ChatCachesConfig & {
    CACHES: boolean;
    CACHE_LEASE: number;
    CACHE_WAIT: number;
    CACHE_LOADS: number;
    CACHE_AUDIT: number;
    CACHE_WARM_UP: boolean;
  };
}

export interface AssembledCaches {
  readonly room: CacheRoom;
  readonly caches: ChatCaches;
  close(): Promise<void>;
}

/** The chat's caches on this process's Redis, each with its switch in the settings. */
export function assembleCaches({ connection, settings, config, ...parts }: Options): AssembledCaches {
  const room = createCacheRoom({
    ...parts,
    leaseMs: config.CACHE_LEASE,
    waitMs: config.CACHE_WAIT,
    loads: config.CACHE_LOADS,
    auditPercent: config.CACHE_AUDIT,
    isOn: (name) => settings.current.caches[name] ?? config.CACHES,
  });
  const stop = settings.events.on("change", () => room.switched());
  const caches = createChatCaches({ room, connection, config });
  if (config.CACHE_WARM_UP) room.keepWarm(warmSteps(caches));
  return {
    room,
    caches,
    async close() {
      stop();
      await room.close();
    },
  };
}
