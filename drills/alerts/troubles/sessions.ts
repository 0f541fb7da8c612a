import { until } from "../../../test/support/until.ts";
import type { SingleStage } from "../stages.ts";
import { type Afterwards, sluice, type Trouble } from "../trouble.ts";
import { visit } from "../visits.ts";

/** Each server that leaves off makes a new epoch, and copies of the one before are made anew without a word. */
async function sharesEpoch({ servers, health }: SingleStage): Promise<boolean> {
  const pages = await Promise.all(servers.map(health));
  const epochs = pages.map((page) => {
    const { "sessions:rolloutPercentage": [dial] = [], "sessions:epoch": [epoch] = [] } = JSON.parse(page).checks;
    return dial?.componentId === "shadow" && epoch?.status === "pass" ? epoch.observedValue : undefined;
  });
  return epochs[0] !== undefined && new Set(epochs).size === 1;
}

/** Somebody visits all the time while the nickname in the copy of the session becomes another. */
async function causeDifference(stage: SingleStage): Promise<Afterwards> {
  const { redis } = stage;
  const visits = await visit(stage);
  await sluice(stage, "dial set --mode shadow");
  await until(() => sharesEpoch(stage), { timeoutMs: 30_000, describe: "one epoch of all servers in shadow mode" });
  const changed = async () => {
    for (const key of (await redis.ask("KEYS", "session:*")) as string[]) {
      const copy = String(await redis.ask("GET", key));
      if (!copy.includes("visitor-")) continue;
      await redis.ask("SET", key, copy.replaceAll("visitor-", "strange-"), "KEEPTTL");
      return true;
    }
    return false;
  };
  await until(changed, { timeoutMs: 30_000, describe: "a copy of the session" });
  return async () => {
    await visits.stop();
    await sluice(stage, "dial set 0 --mode serve");
  };
}

/** All sessions are deleted in MongoDB. Whoever is sent to the login form goes, once the alert has told of it. */
async function causeLogouts(stage: SingleStage, alert: string, people: number): Promise<Afterwards> {
  const visits = await Promise.all(Array.from({ length: people }, () => visit(stage)));
  const stop = () => Promise.all(visits.map((one) => one.stop()));
  await sluice(stage, "dial set 100");
  await stage.db.collection("sessions").deleteMany({});
  const leaving = until(async () => (await stage.prometheus.firing()).includes(alert), { timeoutMs: 60_000 }).then(
    stop,
    stop,
  );
  return async () => {
    await leaving;
    await sluice(stage, "dial abort");
    await sluice(stage, "dial set 0");
  };
}

export const sessionTroubles: readonly Trouble<SingleStage>[] = [
  {
    alert: "FallbackActive",
    name: "the dial says Redis, and Redis is gone",
    cause: async (stage) => {
      await sluice(stage, "dial set 100");
      await stage.redis.kill();
      return async () => {
        await stage.redis.kill();
        await stage.redis.start();
      };
    },
    named: /"sessions:fallback":\[\{[^}]*"observedValue":"MongoDB"/,
    shown: /"reading":"mongo"/,
  },
  {
    alert: "ShadowDiffers",
    name: "somebody else writes to the copies of sessions",
    cause: causeDifference,
    named: /a copy in Redis was not what MongoDB has/,
    shown: /a copy in Redis was not what MongoDB has/,
  },
  {
    alert: "SessionsMissing",
    name: "somebody deletes sessions in MongoDB",
    cause: (stage) => causeLogouts(stage, "SessionsMissing", 1),
    named: /% of the good cookies find no session/,
    shown: /% of the good cookies find no session/,
  },
  {
    alert: "DialSteppedDown",
    name: "so many are missing that the dial goes down",
    cause: (stage) => causeLogouts(stage, "DialSteppedDown", 30),
    named: /the dial went down from 100 % to \d+ % by itself, because of missing/,
    shown: /the dial went down from 100 % to \d+ % by itself, because of missing/,
  },
  {
    alert: "MongoUnreachable",
    name: "MongoDB is out of reach",
    cause: async ({ toMongo }) => {
      toMongo.set({ kind: "blackHole" });
      return undefined;
    },
    named: /"mongo:responseTime":\[\{[^}]*"status":"fail"/,
    shown: /"problem":"MongoDB gives no answer"/,
  },
  {
    alert: "ChangeStreamBehind",
    name: "MongoDB tells of no change",
    cause: async ({ toMongo }) => {
      toMongo.set({ kind: "blackHole" });
      return undefined;
    },
    named: /"changeStream:lag":\[[^\]]*"status":"warn"/,
    shown: /"problem":"MongoDB gives no answer"/,
  },
  {
    alert: "ServerDown",
    name: "a server is killed",
    cause: async ({ servers }) => {
      await servers[1]?.kill();
      return undefined;
    },
    shown: /"instances":\[(?!.*"serverId":"two")/,
  },
];
