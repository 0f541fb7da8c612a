import { aboutArea, type Finding } from "../../kernel/finding.ts";
import { howToReplicate } from "../../kernel/replica-set.ts";
import type { MongoSeen } from "../../mongo/inspect.ts";
import type { Whose } from "./whose.ts";

/** Logins and registrations rely on these to be unique, whoever writes at the same moment. */
export const uniqueFields = [
  ["users", "nickname"],
  ["users", "email"],
  ["channels", "id"],
] as const;

const oldest = 4.4;
/** Older ones are not mended any more by their maker. */
const mended = 7;
const slowMs = 20;
const laggingMs = 5_000;

function servers(seen: MongoSeen): Finding[] {
  const { findings, ok, advice, wrong } = aboutArea("MongoDB");
  const { version, topology, members, arbiters, majorityLagMs, pingMs } = seen;
  const number = Number.parseFloat(version);
  if (number < oldest) wrong(`MongoDB is ${version}, and must be ${oldest} or newer.`, "Upgrade it.");
  else if (number < mended) advice(`MongoDB is ${version}, which its maker no longer mends.`, "Plan the upgrade.");
  else ok(`MongoDB ${version}`);
  if (topology === "standalone")
    wrong(
      "It is a single server without a replica set: there is no change stream, no session is read from Redis, and every other copy is checked at every read.",
      howToReplicate,
    );
  else if (topology === "replicaSet" && members === 1)
    advice("The replica set has one member: its loss is an outage.", "Run three members.");
  else if (topology === "replicaSet")
    ok(`A replica set of ${members}${arbiters > 0 ? ` and ${arbiters} arbiters` : ""}`);
  else ok("A sharded cluster");
  if (arbiters > 0 && members < 3)
    advice(
      "With an arbiter and two members that hold data, no write is confirmed while one of them is down.",
      "Replace the arbiter by a member that holds data.",
    );
  if (majorityLagMs !== undefined && majorityLagMs > laggingMs)
    wrong(
      `A majority of the members is ${Math.round(majorityLagMs / 1_000)} s behind: writes wait for it.`,
      "Look at rs.status(): a member is down or cannot follow.",
    );
  else ok("Writes are confirmed by a majority (w: majority)");
  if (pingMs > slowMs)
    advice(`It answers in ${pingMs.toFixed(1)} ms from here.`, "Run the servers near it; each request asks it.");
  else ok(`It answers in ${pingMs.toFixed(1)} ms`);
  return findings;
}

const nothingRun: Record<Exclude<Whose, "the chat's">, string> = {
  "an app's":
    "No migration has been run, and none need be: only apps run on it, and the chat server has its own database",
  "nobody's": "No migration has been run: the chat server runs them at its start, and an app of your own needs none",
};

function schema({ migrations, missingIndexes, notUnique }: MongoSeen, whose: Whose): Finding[] {
  const { findings, ok, wrong } = aboutArea("MongoDB");
  const { unfinished, done } = migrations;
  if (unfinished.length > 0)
    wrong(
      `Half done: ${unfinished.join(", ")}.`,
      whose === "an app's" ? "sluice migrate down 0, for they are the chat server's" : "sluice migrate up",
    );
  else if (done.length === 0 && whose !== "the chat's") ok(nothingRun[whose]);
  else if (done.length === 0) wrong("No migration has been run on this database.", "sluice migrate up");
  if (missingIndexes.length > 0)
    wrong(
      `Indexes are gone: ${missingIndexes.join(", ")}.`,
      "Have the first migration that made one run again, with all after it: sluice migrate down <its number>, then sluice migrate up",
    );
  if (notUnique.length > 0 && done.length > 0)
    wrong(
      `Not unique: ${notUnique.join(", ")}.`,
      "Rename or remove the doubles that sluice migrate up names, then: sluice migrate down 0 && sluice migrate up",
    );
  if (findings.length === 0) ok(`${done.length} migrations are done, and their indexes are there`);
  return findings;
}

export function examineMongo(seen: MongoSeen, known: readonly string[], whose: Whose): Finding[] {
  const { findings, wrong } = aboutArea("MongoDB");
  const pending = known.filter((name) => !seen.migrations.done.includes(name));
  if (pending.length > 0 && seen.migrations.done.length > 0)
    wrong(`Not run yet: ${pending.join(", ")}.`, "sluice migrate up");
  return [...servers(seen), ...schema(seen, whose), ...findings];
}
