import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { type Chat, startChat } from "../../test/support/chat.ts";
import {
  type Deployed,
  type DeployedSecrets,
  deploy,
  deployedEnv,
  makeSecrets,
} from "../../test/support/deployment.ts";
import { createEnds } from "../../test/support/ends.ts";
import { root } from "../../test/support/files.ts";
import { until } from "../../test/support/until.ts";

/** The processes of docker-compose.yml, with the entrypoint and the files that its containers have. */
export interface Stage {
  readonly redis: readonly Deployed[];
  /** Whoever takes the writes of the first slot now, as the first of those who decide it tells; `but` does no longer. */
  master(but?: Deployed): Promise<Deployed>;
  settled(): Promise<void>;
  /** The master gives its role away while it lives. */
  failover(): Promise<void>;
  readonly servers: readonly Chat[];
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

type Topology = Pick<Stage, "redis" | "master" | "settled" | "failover"> & {
  readonly all: readonly Deployed[];
  readonly env: Record<string, string>;
};

const announce = "localhost";
const patience = { timeoutMs: 60_000, everyMs: 50 };
/** Who is frozen holds up nobody who asks. */
const soonMs = 200;

async function soon<T>(answer: Promise<T>): Promise<T> {
  const late = new AbortController();
  const tooLate = pause(soonMs, undefined, late).then(() => {
    throw new Error(`no answer within ${soonMs} ms`);
  });
  return Promise.race([answer, tooLate]).finally(() => late.abort());
}

/** All are asked at once: the first one whose answer holds tells, and who answers late says nothing. */
const firstMaster = (witnesses: readonly Deployed[], named: (witness: Deployed) => Promise<Deployed | undefined>) =>
  async function master(but?: Deployed): Promise<Deployed> {
    const asked = witnesses.map(async (witness) => {
      const one = await soon(named(witness));
      if (!one || one === but || (await soon(one.info("role"))) !== "master") throw new Error("nobody else");
      return one;
    });
    return Promise.any(asked);
  };

async function startAll(options: Parameters<typeof deploy>[0][]): Promise<Deployed[]> {
  const started = await Promise.allSettled(options.map(deploy));
  const all = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = started.find((one) => one.status === "rejected");
  if (!failed) return all;
  await Promise.all(all.map((one) => one.close()));
  throw failed.reason;
}

export async function sentinels(secrets: DeployedSecrets): Promise<Topology> {
  const first = await deploy({ kind: "redis", secrets, announce });
  const others = { secrets, announce, master: first.port };
  const replicas = await startAll([1, 2].map(() => ({ kind: "redis" as const, ...others })));
  const watchers = await startAll([1, 2, 3].map(() => ({ kind: "sentinel" as const, ...others })));
  const redis = [first, ...replicas];

  const master = firstMaster(watchers, async (watcher) => {
    const answer = (await watcher.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")) as string[] | null;
    return redis.find(({ port }) => port === Number(answer?.[1]));
  });
  async function figure(watcher: Deployed, field: string): Promise<number> {
    const fields = (await watcher.ask("SENTINEL", "MASTER", "mymaster")) as string[];
    return Number(fields[fields.indexOf(field) + 1]);
  }
  async function known(): Promise<boolean> {
    const now = await master();
    if ((await now.info("connected_slaves")) !== "2") return false;
    for (const watcher of watchers)
      if ((await figure(watcher, "num-slaves")) < 2 || (await figure(watcher, "num-other-sentinels")) < 2) return false;
    return true;
  }
  return {
    redis,
    master,
    all: [...watchers, ...redis],
    settled: () => until(known, { ...patience, describe: "two replicas and three sentinels" }).then(() => undefined),
    failover: async () => void (await watchers[0]?.ask("SENTINEL", "FAILOVER", "mymaster")),
    env: {
      REDIS_SENTINEL: `mymaster@${watchers.map(({ port }) => `${announce}:${port}`).join(",")}`,
      REDIS_SENTINEL_USERNAME: "sluice",
      REDIS_SENTINEL_PASSWORD_FILE: `${secrets.folder}/redis_password`,
    },
  };
}

export async function cluster(secrets: DeployedSecrets): Promise<Topology> {
  const nodes = await startAll(Array.from({ length: 6 }, () => ({ kind: "cluster" as const, secrets, announce })));
  const places = nodes.map(({ port }) => `${announce}:${port}`);
  const form = join(root, "sentinel/form-cluster.sh");
  await promisify(execFile)(form, places, { env: { ...process.env, SECRETS: secrets.folder }, timeout: 60_000 });

  type Range = [from: number, to: number, ...owners: [host: string, port: number][]];
  /** The master of the first slot, and its replicas, as one of them has it. */
  async function owners(witness: Deployed): Promise<(Deployed | undefined)[]> {
    const ranges = (await witness.ask("CLUSTER", "SLOTS")) as unknown as Range[];
    const [, , ...found] = ranges.find(([from]) => from === 0) ?? [0, 0];
    return found.map(([, port]) => nodes.find((node) => node.port === port));
  }
  const master = firstMaster(nodes, async (witness) => (await owners(witness))[0]);
  async function known(): Promise<boolean> {
    for (const one of nodes) {
      if (!String(await one.ask("CLUSTER", "INFO")).includes("cluster_state:ok")) return false;
      const master = (await one.info("role")) === "master";
      if (!master && (await one.info("master_link_status")) !== "up") return false;
      if (master && (await one.info("connected_slaves")) !== "1") return false;
    }
    return true;
  }
  return {
    redis: nodes,
    master,
    all: nodes,
    settled: () => until(known, { ...patience, describe: "a cluster with a replica for each" }).then(() => undefined),
    async failover() {
      const [, replica] = await owners(await master());
      if (!replica) throw new Error("the master of the first slot has no replica");
      await replica.ask("CLUSTER", "FAILOVER");
    },
    env: { REDIS_CLUSTER: places.join(",") },
  };
}

export async function setStage(
  mongo: string,
  begin: (secrets: DeployedSecrets) => Promise<Topology>,
  more: Record<string, string> = {},
): Promise<Stage> {
  const secrets = await makeSecrets();
  const ends = createEnds();
  ends.later(() => secrets.remove());
  const { close } = ends;
  try {
    const { all, env: where, ...topology } = await begin(secrets);
    ends.later(() => Promise.all(all.map((one) => one.close())));
    await topology.settled();
    const env = {
      MONGODB_URL: mongo,
      ...where,
      ...deployedEnv(secrets),
      ...more,
    };
    const servers: Chat[] = [];
    for (const id of ["one", "two"]) {
      const chat = await startChat({ env: { ...env, SERVER_ID: id, MIGRATE_ON_START: String(id === "one") } });
      ends.later(() => chat.stop());
      servers.push(chat);
    }
    return { ...topology, servers, env, close };
  } catch (error) {
    await close();
    throw error;
  }
}
