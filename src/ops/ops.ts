import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Sampler } from "../kernel/sampler.ts";
import type { MongoMonitor } from "../mongo/monitor.ts";
import type { SettingsStore } from "../mongo/settings-types.ts";
import type { KillSwitch } from "../redis/kill-switch.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { MetricsAccess } from "./access.ts";
import { keepAudit } from "./audit.ts";
import { checkCaches } from "./cache-checks.ts";
import type { Checks } from "./checks.ts";
import { createHealth, type Phase } from "./health.ts";
import { loadFigures, watchLoad } from "./load.ts";
import { type CacheSource, cacheMetrics } from "./metrics/caches.ts";
import { createHttpTimer, type HttpTimer } from "./metrics/http.ts";
import { loadMetrics } from "./metrics/load.ts";
import { mongoMetrics } from "./metrics/mongo.ts";
import { type PresenceFigures, presenceMetrics } from "./metrics/presence.ts";
import { processMetrics } from "./metrics/process.ts";
import { redisMetrics } from "./metrics/redis.ts";
import { type SessionSource, sessionMetrics } from "./metrics/sessions.ts";
import { settingsMetrics } from "./metrics/settings.ts";
import { type Sockets, socketMetrics } from "./metrics/sockets.ts";
import { type Stream, streamFigures, streamMetrics } from "./metrics/streams.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { checkCompared, checkErrors, checkMissing, checkOutages, checkSteps } from "./recent-checks.ts";
import { createOpsRouter, type OpsHandler } from "./router.ts";
import { checkAgreement, checkSessions, streamOfSessions } from "./session-checks.ts";

export interface OpsOptions {
  config: MetricsAccess;
  /** Names this instance in health and metrics. */
  serverId: string;
  /** The release that runs. */
  version: string;
  phase(): Phase;
  door: RedisDoor;
  killSwitch: Pick<KillSwitch, "by">;
  mongo: { probe: Sampler<number>; monitor: MongoMonitor };
  settings: SettingsStore;
  clock: Clock;
  log: Log;
}

export interface Ops {
  /** Times requests; ahead of everything. */
  readonly httpTimer: HttpTimer;
  /** `/health…` and `/metrics`; ahead of sessions and limits. */
  readonly handler: OpsHandler;
  readonly checks: Checks;
  readonly metrics: Metrics;
  /** What is not as it should be at this instance, in words. */
  amiss(): string[];
  /** The sockets of this instance, once they are there. */
  watchSockets(sockets: Sockets): void;
  /** Who is online, over all instances. */
  watchPresence(figures: () => PresenceFigures): void;
  /** The session store, its dial, and on what the servers differ. */
  watchSessions(sessions: SessionSource & { differs(): Promise<readonly string[]> }): void;
  /** The caches of this instance, once all are declared. */
  watchCaches(caches: CacheSource & { streams: ReadonlyMap<string, Stream> }): void;
  /** A follower of changes whose lag is shown in health and metrics. */
  watchStream(name: string, stream: Stream): void;
  close(): Promise<void>;
}

/** Everything by which an instance is operated, from the parts that it is made of. */
export function createOps(options: OpsOptions): Ops {
  const { config, serverId, version, phase, door, killSwitch, mongo, settings, clock, log } = options;
  const audit = keepAudit({ settings, log });
  const health = createHealth({
    about: { serviceId: serverId, releaseId: version },
    phase,
    redis: door,
    disabledBy: () => killSwitch.by,
    mongo: mongo.probe,
    clock,
  });
  const metrics = createMetrics();
  const streams = new Map<string, Stream>();
  const load = watchLoad();
  const ends = [checkErrors(health.checks, door), checkOutages(health.checks, door.events, clock), load.close];
  health.checks.add("load", () => loadFigures(load));
  health.checks.add("changeStream:lag", () => streamFigures(streams));
  for (const theme of [
    processMetrics({ version }),
    loadMetrics(load),
    redisMetrics({ door, switchedOff: () => killSwitch.by !== null }),
    mongoMetrics(mongo),
    settingsMetrics(settings),
    streamMetrics(streams),
  ])
    metrics.add(theme);
  return {
    httpTimer: createHttpTimer(metrics.registry),
    handler: createOpsRouter({ health, metrics, config, clock, log }),
    checks: health.checks,
    metrics,
    amiss: health.amiss,
    watchSockets: (sockets) => metrics.add(socketMetrics(sockets, serverId)),
    watchPresence(figures) {
      metrics.add(presenceMetrics(figures));
      health.checks.add("presence", () => {
        const { online, instances, shared } = figures();
        return [
          { id: "online", value: online },
          { id: "instances", value: instances },
          { id: "shared", value: shared, status: shared ? "pass" : "warn" },
        ];
      });
    },
    watchSessions(sessions) {
      metrics.add(sessionMetrics(sessions));
      streams.set("sessions", streamOfSessions(sessions.stats));
      checkSessions(health.checks, sessions.stats);
      ends.push(
        checkMissing(health.checks, sessions.events),
        checkCompared(health.checks, sessions.events, clock),
        checkSteps(health.checks, sessions, clock),
        checkAgreement(health.checks, sessions.differs, clock),
      );
    },
    watchCaches(caches) {
      metrics.add(cacheMetrics(caches));
      ends.push(checkCaches(health.checks, caches, mongo.monitor.events));
      for (const [name, stream] of caches.streams) streams.set(name, stream);
    },
    watchStream: (name, stream) => void streams.set(name, stream),
    async close() {
      await audit.close();
      for (const end of ends) end();
      health.close();
      metrics.close();
    },
  };
}
