export { createRealtime } from "./server.ts";
export type { Realtime, RealtimeConfig, RealtimeEvents, RealtimeOptions, RealtimeStats } from "./types.ts";
