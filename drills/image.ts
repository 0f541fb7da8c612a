import { spawn, spawnSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Report } from "../bench/support/report.ts";
import { deploy, makeSecrets } from "../test/support/deployment.ts";
import { type BuildStage, copied, dockerfile, execForm } from "../test/support/dockerfile.ts";
import { createEnds } from "../test/support/ends.ts";
import { root } from "../test/support/files.ts";
import { freePort } from "../test/support/redis-process.ts";
import { until } from "../test/support/until.ts";
import { readsSession } from "./alerts/visits.ts";
import { between, countReads, inBucket, shareOfRedis } from "./sessions/reads.ts";
import { end } from "./support/child.ts";
import { withMongo } from "./support/mongo.ts";
import { stateAt } from "./support/watch.ts";

/** Where a path of the image lies on this machine. */
const at = (folder: string, path: string) => join(folder, resolve("/app", path));

async function copyInto(folder: string, stage: BuildStage, folders: Map<string, string>): Promise<void> {
  for (const instruction of stage.instructions.filter(({ name }) => name === "COPY")) {
    const { from, sources, to } = copied(instruction);
    for (const source of sources) {
      const origin = from === undefined ? join(root, source) : at(folders.get(from) ?? "", source);
      const target = to.endsWith("/") ? join(at(folder, to), source) : at(folder, to);
      await mkdir(dirname(target), { recursive: true });
      await cp(origin, target, { recursive: true, verbatimSymlinks: true });
    }
  }
}

/** One stage after the other, each in a folder of its own; answers that of the image. */
async function build(work: string): Promise<string> {
  const folders = new Map<string, string>();
  for (const stage of dockerfile()) {
    const folder = join(work, stage.name || "image");
    folders.set(stage.name, folder);
    await mkdir(at(folder, "."), { recursive: true });
    await copyInto(folder, stage, folders);
    for (const { rest } of stage.instructions.filter(({ name }) => name === "RUN")) {
      console.error(`${stage.name}: ${rest}`);
      const done = spawnSync("/bin/sh", ["-c", rest], { cwd: at(folder, "."), stdio: ["ignore", "ignore", "inherit"] });
      if (done.status !== 0) throw new Error(`${stage.name}: ${rest} ended with ${done.status}`);
    }
  }
  return folders.get("") ?? "";
}

interface Who {
  uid?: number;
  gid?: number;
}

/** Only root may run something as somebody else. */
function userOf(stage: BuildStage): Who {
  if (process.getuid?.() !== 0) return {};
  const [uid = 0, gid = 0] = (stage.instructions.find(({ name }) => name === "USER")?.rest ?? "")
    .split(":")
    .map(Number);
  return { uid, gid };
}

const probe = (command: string[], cwd: string, env: Record<string, string>, who: Who) =>
  spawnSync(command[0] ?? "", command.slice(1), { cwd, env, ...who, timeout: 5_000 }).status === 0;

const reads = 100;

/** Of what somebody reads, how much comes from the caches, and how much of that for which the session is read from Redis. */
async function sharesOf(url: string, headers: Record<string, string>) {
  const get = (path: string) => fetch(url + path, { headers: { ...headers, "X-Forwarded-Proto": "https" } });
  const hit = async () => /^(l1|redis)$/.test((await get("/api/channels")).headers.get("x-cache") ?? "");
  await until(hit, { timeoutMs: 30_000, describe: "the caches of the image to be used" });
  const before = await countReads([{ url }]);
  let hits = 0;
  for (let n = 0; n < reads; n += 1) {
    hits += (await hit()) ? 1 : 0;
    await get(readsSession);
  }
  const sessions = between(before, await countReads([{ url }]));
  if (inBucket(sessions) < reads / 2) throw new Error(`only ${inBucket(sessions)} sessions were read`);
  return [
    { phase: "lists", share: hits / reads },
    { phase: "sessions", share: shareOfRedis(sessions) },
  ];
}

/** The Dockerfile's steps as plain commands, and what they make started as the image would be: `npm run drill -- image`. */
export async function run(): Promise<Report> {
  const work = await mkdtemp(join(tmpdir(), "sluice-image-"));
  const ends = createEnds();
  ends.later(() => rm(work, { recursive: true, force: true }));
  try {
    const folder = await build(work);
    const app = at(folder, ".");
    for (const path of [work, folder]) await chmod(path, 0o755);
    const locked = spawnSync("chmod", ["-R", "a-w,a+rX", app]);
    if (locked.status !== 0) throw new Error("the folder could not be made read-only");
    const stage = dockerfile().at(-1) as BuildStage;
    const who = userOf(stage);
    const secrets = await makeSecrets();
    ends.later(() => secrets.remove());
    await chmod(secrets.folder, 0o755);
    const redis = ends.add(await deploy({ kind: "redis", secrets }));
    return await withMongo(async (mongo) => {
      const { PATH = "" } = process.env;
      const pairs = stage.instructions.filter(({ name }) => name === "ENV").map(({ rest }) => rest.split("=", 2));
      const env: Record<string, string> = {
        PATH,
        ...Object.fromEntries(pairs),
        PORT: String(await freePort()),
        MONGODB_URL: mongo,
        REDIS_URL: `redis://127.0.0.1:${redis.port}`,
        REDIS_USERNAME: "sluice",
        REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password`,
        SESSION_SECRET_FILE: `${secrets.folder}/session_secret`,
        JWT_SECRET_FILE: `${secrets.folder}/jwt_secret`,
        OPS_TOKEN_FILE: `${secrets.folder}/ops_token`,
        TRUST_PROXY: "1",
        METRICS_PUBLIC: "true",
        SESSION_REDIS_PERCENT: "100",
      };
      const of = (name: string) => stage.instructions.filter((one) => one.name === name).map(execForm)[0] ?? [];
      const [program = "", ...args] = of("CMD");
      const child = spawn(program, args, { cwd: app, env, ...who, stdio: ["ignore", "inherit", "inherit"] });
      try {
        const isHealthy = () => probe(of("HEALTHCHECK"), app, env, who);
        await until(isHealthy, { timeoutMs: 60_000, everyMs: 200, describe: "the health check of the image" });
        const url = `http://127.0.0.1:${env.PORT}`;
        const up = async () => (await stateAt(url)) === "up";
        await until(up, { timeoutMs: 30_000, describe: "the image to use Redis" });
        const body = JSON.stringify({ nickname: "ann", email: "ann@example.org", password: "correct horse" });
        const headers = { "Content-Type": "application/json", "X-Forwarded-Proto": "https" };
        const registered = await fetch(`${url}/api/register`, { method: "POST", headers, body });
        const isRoot = who.uid !== undefined;
        // What cannot be found out on this machine is neither.
        const checks: [string, boolean | undefined][] = [
          ["somebody can register", registered.status === 201],
          ["the session's cookie is Secure", /; Secure/i.test(registered.headers.get("set-cookie") ?? "")],
          ["the client's page is there", (await fetch(url)).status === 200],
          ["it cannot write where it lies", isRoot ? !probe(["touch", "x"], app, env, who) : undefined],
          ["no package of development is in it", !probe(["test", "-e", "node_modules/vitest"], app, env, who)],
          ["migrate finds nothing to do", probe(["node", "dist/src/cli.js", "migrate", "up"], app, env, who)],
        ];
        const { token } = (await registered.json()) as { token: string };
        const [cookie = ""] = (registered.headers.get("set-cookie") ?? "").split(";", 1);
        const healthy = await sharesOf(url, { Authorization: `Bearer ${token}`, Cookie: cookie });
        const done = checks.filter(([, held]) => held !== undefined);
        const words = (held: boolean | undefined) =>
          held === undefined ? "not checked: the drill is not run as root" : held ? "yes" : "NO";
        return {
          kind: "drill",
          name: "image",
          what: "the Dockerfile's steps as plain commands, and what they make started as the image would be",
          tables: [{ title: "", head: ["check", ""], rows: checks.map(([what, held]) => [what, words(held)]) }],
          figures: [{ name: "checks", value: done.filter(([, held]) => held).length, unit: "", target: done.length }],
          healthy: healthy.map((one) => ({ ...one, least: 0.95 })),
          failures: done.flatMap(([what, held]) => (held ? [] : [`not so: ${what}`])),
        };
      } finally {
        await end(child);
      }
    });
  } finally {
    await ends.close();
  }
}
