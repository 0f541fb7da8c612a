import { aboutArea, type Finding } from "../../kernel/finding.ts";
import type { MongoSeen } from "../../mongo/inspect.ts";
import type { Verified } from "../../sessions/tools/verify.ts";
import type { Whose } from "./whose.ts";

export interface LivesSeen {
  readonly collection: string;
  readonly ttlSeconds: number;
  readonly mongo: Pick<MongoSeen, "sessionsExpireAfter" | "longestLifeSeconds">;
  readonly whose: Whose;
  /** TTL_SESSIONS of the servers that run. */
  readonly servers: readonly number[];
  /** How the copies compare; undefined when Redis was not asked. */
  readonly verified?: Verified | undefined;
}

const tolerance = 1.1;

const makesTheIndex: Record<Whose, string> = {
  "the chat's": "sluice migrate up",
  "an app's": "Restart the app: its store makes it, unless its autoRemove is disabled.",
  "nobody's": "Start the server, chat or app: it makes it.",
};

/** A session must end at the same moment in MongoDB, in Redis and in the browser. */
export function examineLives({ collection, ttlSeconds, mongo, whose, servers, verified }: LivesSeen): Finding[] {
  const { findings, ok, wrong, advice } = aboutArea("sessions");
  const others = [...new Set(servers)].filter((ttl) => ttl !== ttlSeconds);
  if (others.length > 0)
    wrong(
      `TTL_SESSIONS is ${ttlSeconds} here and ${others.join(", ")} on servers that run.`,
      "Start all of them with the same one.",
    );
  if (mongo.sessionsExpireAfter === undefined)
    wrong("No TTL index removes expired sessions from MongoDB.", makesTheIndex[whose]);
  else if (mongo.sessionsExpireAfter !== 0)
    wrong(
      `The TTL index keeps sessions ${mongo.sessionsExpireAfter} s longer than they live.`,
      `In mongosh: db.runCommand({ collMod: ${JSON.stringify(collection)}, index: { keyPattern: { expires: 1 }, expireAfterSeconds: 0 } })`,
    );
  else ok("Expired sessions are removed from MongoDB");
  if ((mongo.longestLifeSeconds ?? 0) > ttlSeconds * tolerance)
    advice(
      `A session in MongoDB lives for ${Math.round(mongo.longestLifeSeconds ?? 0)} s more, longer than TTL_SESSIONS.`,
      "An old server makes longer ones, or TTL_SESSIONS was shortened: give both the same.",
    );
  if (!verified) return findings;
  const { ends, differing, orphaned } = verified.findings;
  if (ends > 0)
    wrong(`${ends} copies in Redis live longer or shorter than their sessions.`, "sluice sessions backfill --restart");
  else ok(`${verified.sessions} sessions live equally long in MongoDB and in Redis`);
  if (differing + orphaned > 0)
    wrong(
      `${differing} copies differ from MongoDB and ${orphaned} are of no session.`,
      "sluice sessions verify tells which.",
    );
  return findings;
}
