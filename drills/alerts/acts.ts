import { makeRooms } from "./rooms.ts";
import type { Stage } from "./stage.ts";
import { setSentinels, setSingle } from "./stages.ts";
import type { Afterwards, Trouble } from "./trouble.ts";
import { cacheTroubles } from "./troubles/caches.ts";
import { crowdTroubles } from "./troubles/crowd.ts";
import { loadTroubles, patient } from "./troubles/load.ts";
import { redisTroubles } from "./troubles/redis.ts";
import { sentinelTroubles } from "./troubles/sentinels.ts";
import { sessionTroubles } from "./troubles/sessions.ts";

/** A trouble that knows where it is to be caused. */
export type Scene = Omit<Trouble, "cause"> & { cause(): Promise<Afterwards | undefined> };

/** Troubles that follow one another on a stage of their own. */
export interface Act {
  readonly name: string;
  /** Those of the short form, or all. */
  count(short: boolean): number;
  begin(mongoUrl: string, short: boolean): Promise<{ stage: Stage; scenes: readonly Scene[] }>;
}

function act<S extends Stage>(
  name: string,
  set: (mongoUrl: string) => Promise<S>,
  troubles: readonly Trouble<S>[],
): Act {
  const chosen = (short: boolean) => troubles.filter((one) => !short || one.short);
  return {
    name,
    count: (short) => chosen(short).length,
    async begin(mongoUrl, short) {
      const stage = await set(mongoUrl);
      return { stage, scenes: chosen(short).map((one) => ({ ...one, cause: () => one.cause(stage) })) };
    },
  };
}

const different = { one: { SESSION_REDIS_PERCENT: "50" }, two: { SESSION_REDIS_PERCENT: "100" } };
// Five reports that are missed tell of a server that is gone.
const alike = { one: { INSTANCE_REPORT: "250ms" }, two: { INSTANCE_REPORT: "250ms" } };
// Nothing kept by the server itself, and all that Redis answers compared.
const bare = { CACHE_L1_MB: "0", CACHE_AUDIT: "100", TTL_MESSAGES: "600" };

/** Acts that are played side by side; one such group follows another. */
export type Play = readonly (readonly Act[])[];

/** What befalls Redis, its sentinels, the sessions and MongoDB: none hinders another. */
export const faults: Play = [
  [
    act("redis", (mongoUrl) => setSingle(mongoUrl, { servers: different }), redisTroubles),
    act("sessions", (mongoUrl) => setSingle(mongoUrl, { servers: alike }), sessionTroubles),
    act("sentinels", setSentinels, sentinelTroubles),
  ],
];

/** What comes of use and of others' use: each needs the machine for itself. */
export const burdens: Play = [
  [act("caches", (mongoUrl) => setSingle(mongoUrl, { servers: { one: bare }, prepare: makeRooms }), cacheTroubles)],
  [
    act(
      "load",
      (mongoUrl) =>
        setSingle(mongoUrl, { servers: { one: { ...bare, ...patient } }, through: true, prepare: makeRooms }),
      loadTroubles,
    ),
  ],
  [act("crowd", (mongoUrl) => setSingle(mongoUrl, { servers: { one: {} } }), crowdTroubles)],
];
