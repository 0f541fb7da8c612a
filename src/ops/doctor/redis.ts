import { type About, aboutArea, type Finding } from "../../kernel/finding.ts";
import type { RedisSeen, RedisServerSeen } from "../../redis/inspect.ts";

const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(0)} MiB`;
const percent = (share: number) => `${Math.round(share * 100)} %`;
const figure = ({ info }: RedisServerSeen, name: string) => Number(info[name] ?? Number.NaN);

function olderThan(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a < major || (a === major && b < minor);
}

function memory(server: RedisServerSeen, { ok, advice, wrong }: About): void {
  const [used, max, policy] = [
    figure(server, "used_memory"),
    figure(server, "maxmemory"),
    server.info.maxmemory_policy,
  ];
  if (policy?.startsWith("allkeys"))
    wrong(
      `maxmemory-policy is ${policy}: keys that keep order may vanish, and every copy with them.`,
      "CONFIG SET maxmemory-policy volatile-ttl, and the same in redis.conf.",
    );
  else ok(`maxmemory-policy is ${policy}`);
  if (max === 0) {
    advice("It has no memory limit: it grows until the machine has none left.", "Set maxmemory in redis.conf.");
    return;
  }
  const share = used / max;
  const says = `${mebibytes(used)} of ${mebibytes(max)} are used (${percent(share)})`;
  if (share > 0.8) wrong(`${says}: writes will be refused soon.`, "Raise maxmemory, or turn the dial down.");
  else if (share > 0.7) advice(`${says}.`, "Raise maxmemory before it is 80 %.");
  else ok(says);
  const evicted = figure(server, "evicted_keys");
  if (evicted > 0) advice(`It has evicted ${evicted} keys so far.`, "Raise maxmemory if that goes on.");
}

function persistence({ info }: RedisServerSeen, { ok, advice, wrong }: About): void {
  if (info.aof_enabled !== "1")
    advice(
      "The append-only file is off: after a restart every copy is read from MongoDB again.",
      "appendonly yes and appendfsync everysec in redis.conf.",
    );
  else if (info.aof_last_write_status !== "ok" || info.aof_last_bgrewrite_status === "err")
    wrong("The append-only file cannot be written.", "Look at the disk of Redis, and at its log.");
  else ok("The append-only file is on");
  if (info.rdb_last_bgsave_status === "err")
    wrong(
      "The last snapshot failed; Redis refuses writes until one succeeds.",
      "Look at the disk of Redis, and at its log.",
    );
}

function replication(server: RedisServerSeen, kind: RedisSeen["kind"], { ok, advice, wrong }: About): void {
  const replicas = figure(server, "connected_slaves");
  if (server.info.role !== "master") {
    wrong(
      "It is a replica, which takes no writes.",
      "Name the master, or the sentinels (REDIS_SENTINEL), which know it after a failover.",
    );
    return;
  }
  if (replicas > 0) {
    const late = Object.entries(server.info).filter(
      ([name, text]) => /^slave\d+$/.test(name) && !/state=online/.test(text),
    );
    if (late.length > 0) wrong(`${late.length} of ${replicas} replicas are not online.`, "Look at their logs.");
    else ok(`${replicas} replicas follow it`);
    return;
  }
  const says = "It has no replica: its loss is an outage of Redis.";
  if (kind === "single")
    advice(says, "Nobody is logged out by it. To do without it: docs/deploy.md, the profile sentinel.");
  else wrong(says, "Bring its replicas back: without one there is no failover.");
}

function access({ lacks, excess }: RedisServerSeen, { ok, advice, wrong }: About): void {
  if (lacks.length > 0)
    wrong(
      `The chat's user may not: ${lacks.join("; ")}.`,
      "Give it the rights of the user sluice in sentinel/users.acl.",
    );
  if (excess.length > 0)
    advice(
      `The chat's user may do more than it needs: ${excess.join("; ")}.`,
      "Give it the rights of the user sluice in sentinel/users.acl.",
    );
  if (lacks.length + excess.length === 0) ok("The chat's user may do what it needs and no more");
}

function speed(server: RedisServerSeen, deadlineMs: number, { ok, advice, wrong }: About): void {
  const median = server.pings[Math.floor(server.pings.length / 2)] ?? 0;
  const says = `It answers in ${median.toFixed(1)} ms`;
  if (median > deadlineMs / 2)
    wrong(
      `${says}; after REDIS_DEADLINE (${deadlineMs} ms) an answer is not waited for.`,
      "Run Redis near the servers.",
    );
  else if (median > 5) advice(`${says}; 1 ms is usual.`, "Run Redis near the servers.");
  else ok(says);
}

function connections(server: RedisServerSeen, { ok, wrong }: About): void {
  const [clients, limit] = [figure(server, "connected_clients"), figure(server, "maxclients")];
  if (Number.isNaN(limit)) return;
  const says = `${clients} of ${limit} connections are in use`;
  if (clients / limit > 0.8) wrong(`${says}.`, "Raise maxclients, or lower REDIS_POOL.");
  else ok(says);
}

function server(seen: RedisServerSeen, kind: RedisSeen["kind"], deadlineMs: number, several: boolean): Finding[] {
  const about = aboutArea("Redis");
  const version = seen.info.redis_version ?? "";
  if (olderThan(version, 6, 2)) about.wrong(`Redis is ${version}, and must be 6.2 or newer.`, "Upgrade it.");
  else about.ok(`Redis ${version}`);
  if (kind !== "cluster" && seen.info.cluster_enabled === "1")
    about.wrong("It is a node of a cluster.", "Name the nodes in REDIS_CLUSTER instead.");
  memory(seen, about);
  persistence(seen, about);
  replication(seen, kind, about);
  access(seen, about);
  speed(seen, deadlineMs, about);
  connections(seen, about);
  if (!several) return about.findings;
  return about.findings.map((finding) => ({ ...finding, says: `${seen.address}: ${finding.says}` }));
}

/** What is to be said of Redis; nothing is configured: nothing is wrong. */
export function examineRedis(seen: RedisSeen | undefined, deadlineMs: number): Finding[] {
  const about = aboutArea("Redis");
  if (!seen) {
    about.advice(
      "No Redis is named: everything is served from MongoDB.",
      "Set REDIS_URL, REDIS_SENTINEL or REDIS_CLUSTER.",
    );
    return about.findings;
  }
  const { sentinels, failure, servers, kind } = seen;
  if (sentinels) {
    const says = `${sentinels.answering} of ${sentinels.named} sentinels answer`;
    if (sentinels.named < 3) about.wrong(`${says}; a quorum needs three.`, "Run three, and name them all.");
    else if (sentinels.answering < sentinels.named)
      about.wrong(`${says}.`, "Bring the others back: a failover needs most.");
    else about.ok(says);
  }
  if (failure)
    about.unknown(`Redis cannot be looked at: ${failure}.`, "Correct where it is (docs/redis.md), or bring it back.");
  return [...about.findings, ...servers.flatMap((one) => server(one, kind, deadlineMs, servers.length > 1))];
}
