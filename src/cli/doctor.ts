import { Command } from "commander";
import { integer } from "../config/kinds.ts";
import { type Config, readConfig } from "../config/load.ts";
import { messageOf, SluiceError } from "../kernel/errors.ts";
import { aboutArea, type Finding } from "../kernel/finding.ts";
import { inspectMongo, type MongoSeen } from "../mongo/inspect.ts";
import { liveInstances } from "../mongo/instances.ts";
import { knownMigrations } from "../mongo/migrate.ts";
import type { SettingsStore } from "../mongo/settings-types.ts";
import { examineServers } from "../ops/doctor/servers.ts";
import { type Whose, whoseDatabase } from "../ops/doctor/whose.ts";
import { type Clock, examineClocks, examineLives, examineMongo, examineRedis, uniqueFields } from "../ops/index.ts";
import { inspectRedis } from "../redis/inspect.ts";
import { verifySessions } from "../sessions/tools/verify.ts";
import { configurationFindings } from "./config.ts";
import { as, type Desk } from "./desk.ts";
import { tell } from "./findings.ts";
import { inHouse } from "./house.ts";

interface Looked {
  readonly findings: readonly Finding[];
  readonly clocks: readonly Clock[];
}

const nothing: Looked = { findings: [], clocks: [] };

async function atRedis(config: Config, desk: Desk): Promise<Looked & { usable: boolean }> {
  if (config.DISABLE_REDIS) return { ...nothing, usable: false };
  const seen = await inspectRedis(config, desk.signal);
  const clocks = seen?.servers.map(({ address, clock }) => ({ of: `Redis at ${address}`, ...clock })) ?? [];
  return { findings: examineRedis(seen, config.REDIS_DEADLINE), clocks, usable: clocks.length > 0 };
}

/** What operators have set on purpose, and may have forgotten. */
function leftBehind({ current }: Pick<SettingsStore, "current">, caches: boolean): readonly Finding[] {
  const { findings, advice } = aboutArea("configuration");
  if (current.redisDisabled)
    advice(
      "The kill switch is on: no server uses Redis.",
      "sluice history says why; sluice kill off lets it in again.",
    );
  for (const [name, on] of Object.entries(current.caches))
    if (caches && !on)
      advice(`The cache ${name} is switched off.`, `sluice history says why; sluice cache enable ${name} ends it.`);
  return findings;
}

function atMongo(desk: Desk, sample: number, withRedis: boolean): Promise<Looked & { whose: Whose }> {
  return inHouse(desk, async ({ config, db, link, place, settings, redis }) => {
    const seen: MongoSeen = await inspectMongo({
      link,
      sessionCollection: config.SESSION_COLLECTION,
      unique: uniqueFields,
    });
    const servers = await liveInstances(db);
    const box = withRedis ? (await redis()).box : undefined;
    const verified = box?.door.state === "up" ? await verifySessions(box, { sample, signal: desk.signal }) : undefined;
    const { SESSION_COLLECTION: collection, TTL_SESSIONS: ttlSeconds } = config;
    const whose = whoseDatabase(servers, seen.migrations);
    const lives = { collection, ttlSeconds, mongo: seen, whose, verified };
    return {
      findings: [
        ...leftBehind(settings, config.CACHES),
        ...examineServers(
          place,
          servers.map(({ serverId }) => serverId),
        ),
        ...examineMongo(seen, await knownMigrations(), whose),
        ...examineLives({ ...lives, servers: servers.map(({ ttlSeconds }) => ttlSeconds) }),
      ],
      clocks: [{ of: "MongoDB", ...seen.clock }],
      whose,
    };
  });
}

/** What keeps MongoDB from being looked at is told as everything else is. */
async function orUnknown<T extends Looked>(look: Promise<T>): Promise<T | Looked> {
  try {
    return await look;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { findings, unknown } = aboutArea("MongoDB");
    unknown(messageOf(error), "Nothing else can be told of it until it answers.");
    return { findings, clocks: [] };
  }
}

export function doctorCommand(desk: Desk): Command {
  return new Command("doctor")
    .description(
      "look at MongoDB, Redis, clocks, sessions and configuration, and say what to do about each finding;\n" +
        "exit code 1 when something is wrong, 2 when something could not be looked at",
    )
    .option("--sample <count>", "how many sessions are compared with their copies", as(integer(1, 1_000_000)), 200)
    .option("--json", "answer in JSON")
    .action(async ({ json, sample }: { json?: boolean; sample: number }) => {
      const { config } = readConfig(desk.environment(), "command");
      if (!config) {
        tell(desk, json, {}, configurationFindings(desk));
        return desk.fail(2);
      }
      const redis = await atRedis(config, desk);
      const mongo = await orUnknown(atMongo(desk, sample, redis.usable));
      const beside = "whose" in mongo && mongo.whose === "an app's";
      const own = configurationFindings(desk, beside ? "command" : "server");
      const clocks = examineClocks([...mongo.clocks, ...redis.clocks]);
      tell(desk, json, {}, [...own, ...mongo.findings, ...redis.findings, ...clocks]);
    });
}
