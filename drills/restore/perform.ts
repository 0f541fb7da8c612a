import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import mongoose from "mongoose";
import type { Report } from "../../bench/support/report.ts";
import { type Chat, startChat } from "../../test/support/chat.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets } from "../../test/support/deployment.ts";
import { root } from "../../test/support/files.ts";
import { type Browser, createBrowser } from "../../test/support/http.ts";
import { until } from "../../test/support/until.ts";
import { faultTable } from "../support/faults.ts";
import { programOf, startMember } from "./mongod.ts";

interface Row {
  readonly what: string;
  /** From the moment somebody begins to restore until the chat uses it again. */
  readonly rtoSeconds: number;
  /** How much of what was acknowledged is gone; undefined for all of it, where MongoDB has it all. */
  readonly rpoSeconds: number | undefined;
  /** How old the backup was; the loss cannot be smaller. */
  readonly ageSeconds: number;
}

const run = promisify(execFile);
const entrypoint = join(root, "sentinel/entrypoint.sh");
const patience = { timeoutMs: 60_000, everyMs: 50 };

/** Writes the time down again and again; what was acknowledged last is what must not be lost. */
function startClock(write: (at: number) => Promise<unknown>) {
  let acknowledged = 0;
  let stopped = false;
  async function tick(): Promise<void> {
    while (!stopped) {
      const at = Date.now();
      await write(at).then(
        () => {
          acknowledged = at;
        },
        () => undefined,
      );
      await pause(20);
    }
  }
  const ticking = tick();
  return {
    acknowledged: () => acknowledged,
    async stop() {
      stopped = true;
      await ticking;
    },
  };
}

async function healthy(chat: Chat): Promise<unknown> {
  const health = await createBrowser(chat.url).get("/health/redis");
  return health.body.checks["redis:state"][0].observedValue === "up";
}

interface Stage {
  readonly redis: Deployed;
  readonly secrets: DeployedSecrets;
  readonly chat: Chat;
  readonly folder: string;
  readonly seconds: number;
}

const key = "cache:drill:clock";

/** Redis dies; what `mend` does is restoring it. */
async function loseRedis(
  stage: Stage,
  what: string,
  mend: (copy: string) => Promise<void>,
  save?: string,
): Promise<Row> {
  const { redis, secrets, chat, folder, seconds } = stage;
  const copy = join(folder, what.replace(/\W+/g, "-"));
  const clock = startClock((at) => redis.ask("SET", key, at));
  await pause(seconds * 1_000);
  const savedAt = Date.now();
  const env = { ...process.env, PORT: String(redis.port), SECRETS: secrets.folder };
  if (save === "rdb") await run(entrypoint, ["cli", "--rdb", copy], { env });
  if (save === "aof") await cp(join(redis.dir, "appendonlydir"), copy, { recursive: true });
  await pause(seconds * 1_000);
  await redis.kill();
  const lastAt = clock.acknowledged();
  await clock.stop();
  const since = performance.now();
  await mend(copy);
  await redis.start();
  await until(() => healthy(chat), { ...patience, describe: "the chat to use Redis again" });
  const rtoSeconds = (performance.now() - since) / 1_000;
  const found = Number(await redis.ask("GET", key));
  return { what, rtoSeconds, rpoSeconds: (lastAt - found) / 1_000, ageSeconds: save ? (lastAt - savedAt) / 1_000 : 0 };
}

async function emptied({ redis }: Stage): Promise<void> {
  await rm(redis.dir, { recursive: true, force: true });
  await mkdir(redis.dir);
}

async function loseMongo(stage: Stage, member: Awaited<ReturnType<typeof startMember>>): Promise<Row> {
  const { chat, folder, seconds } = stage;
  const copy = join(folder, "mongo");
  const client = new mongoose.mongo.MongoClient(member.url, { serverSelectionTimeoutMS: 2_000 });
  try {
    const clocks = client.db().collection<{ _id: string; at: number }>("drill");
    const write = (at: number) =>
      clocks.updateOne({ _id: "clock" }, { $set: { at } }, { upsert: true, writeConcern: { w: "majority" } });
    const clock = startClock(write);
    await pause(seconds * 1_000);
    const savedAt = Date.now();
    await member.backup(copy);
    await pause(seconds * 1_000);
    await member.lose();
    const lastAt = clock.acknowledged();
    await clock.stop();
    const since = performance.now();
    await member.restore(copy);
    const ready = async () => (await createBrowser(chat.url).get("/health/ready")).status === 200;
    await until(ready, { ...patience, describe: "the chat to be ready" });
    const rtoSeconds = (performance.now() - since) / 1_000;
    const found = (await until(() => clocks.findOne({ _id: "clock" }), patience)).at;
    const what = "MongoDB's disk is lost: a copy of its files";
    return { what, rtoSeconds, rpoSeconds: (lastAt - found) / 1_000, ageSeconds: (lastAt - savedAt) / 1_000 };
  } finally {
    await client.close();
  }
}

/** Everybody reads a few times; answers how much of it MongoDB was not asked for. */
async function sharedOut(people: readonly Browser[]): Promise<number> {
  const isHit = async (browser: Browser) => {
    const source = (await browser.get("/api/channels")).headers.get("x-cache");
    return source === "l1" || source === "redis";
  };
  await until(() => isHit(people[0] as Browser), { ...patience, describe: "the caches to be used" });
  const hits: boolean[] = [];
  for (let n = 0; n < 5; n += 1) for (const browser of people) hits.push(await isHit(browser));
  return hits.filter(Boolean).length / hits.length;
}

export interface RestoreReport {
  readonly ok: boolean;
  readonly rows: readonly Row[];
  /** Of what was read before anything was lost, what came from the caches. */
  readonly share: number;
  readonly failures: readonly string[];
}

const mostRto = 300;
const mostRpo = 60;

export interface RestoreOptions {
  /** Where a MongoDB of this machine runs; the drill starts another one of its kind. */
  mongo: string;
  /** Between the beginning, the backup, and the loss. */
  seconds: number;
  say(line: string): void;
}

/** Loses Redis and MongoDB, and restores them as docs/backup.md says, under a chat in use. */
export async function performRestore({ mongo, seconds, say }: RestoreOptions): Promise<RestoreReport> {
  const closing: (() => Promise<unknown>)[] = [];
  const rows: Row[] = [];
  const failures: string[] = [];
  try {
    const folder = await mkdtemp(join(tmpdir(), "sluice-backup-"));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const secrets = await makeSecrets();
    closing.push(() => secrets.remove());
    const member = await startMember(await programOf(mongo));
    closing.push(() => member.close());
    const redis = await deploy({ kind: "redis", secrets });
    closing.push(() => redis.close());
    const chat = await startChat({
      env: {
        MONGODB_URL: member.url,
        REDIS_URL: `redis://127.0.0.1:${redis.port}`,
        REDIS_USERNAME: "sluice",
        REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password`,
        SESSION_REDIS_PERCENT: "100",
        SESSION_STEP_DOWN: "off",
      },
    });
    closing.push(() => chat.stop());
    const stage = { redis, secrets, chat, folder, seconds };
    await until(() => healthy(chat), { ...patience, describe: "Redis to be up" });
    const people: Browser[] = [];
    for (let n = 0; n < 10; n += 1) {
      const browser = createBrowser(chat.url);
      await browser.register(`person-${n}`);
      people.push(browser);
    }
    const share = await sharedOut(people);
    const add = async (row: Row) => {
      rows.push(row);
      say(`${row.what}: back after ${row.rtoSeconds.toFixed(1)} s`);
      for (const browser of people) {
        const { status } = await until(async () => {
          const answer = await browser.get("/api/users");
          return answer.status < 500 ? answer : undefined;
        }, patience);
        if (status !== 200) failures.push(`${row.what}: a session is gone (${status})`);
      }
      if (row.rtoSeconds > mostRto) failures.push(`${row.what}: it took ${row.rtoSeconds.toFixed(0)} s`);
      if ((row.rpoSeconds ?? 0) > Math.max(mostRpo, row.ageSeconds + 1))
        failures.push(`${row.what}: ${row.rpoSeconds} s are lost`);
    };
    await add(await loseRedis(stage, "Redis dies, its disk survives (AOF)", async () => {}));
    await add(
      await loseRedis(
        stage,
        "Redis's disk is lost: a snapshot (RDB)",
        async (copy) => {
          await emptied(stage);
          await run(entrypoint, ["restore", copy], { env: { ...process.env, DATA: redis.dir } });
        },
        "rdb",
      ),
    );
    await add(
      await loseRedis(
        stage,
        "Redis's disk is lost: a copy of the AOF",
        async (copy) => {
          await emptied(stage);
          await cp(copy, join(redis.dir, "appendonlydir"), { recursive: true });
        },
        "aof",
      ),
    );
    await add(
      await loseRedis(stage, "Redis's disk is lost: no backup", () => emptied(stage)).then((row) => ({
        ...row,
        rpoSeconds: 0,
      })),
    );
    await add(await loseMongo(stage, member));
    return { ok: failures.length === 0, rows, share, failures };
  } finally {
    for (const step of closing.reverse()) await step();
  }
}

export function reportOf({ rows, share, failures }: RestoreReport): Report {
  const told = rows.map((row) => ({ ...row, fault: row.what, recoverMs: row.rtoSeconds * 1_000 }));
  const seconds = (of: (row: Row) => number | undefined) => Math.max(...rows.map((row) => of(row) ?? 0));
  const most = (name: string, value: number, target: number) => ({ name, value, unit: " s", target, atMost: true });
  return {
    kind: "drill",
    name: "restore",
    what: "Redis and MongoDB are lost under a chat in use, and restored from a backup; without one of Redis nothing of the chat is lost, it is read from MongoDB again",
    tables: [
      faultTable(told, [
        ["copies lost", ({ rpoSeconds }) => (rpoSeconds === undefined ? "all" : `the last ${rpoSeconds.toFixed(2)} s`)],
        ["age of the backup", ({ ageSeconds }) => (ageSeconds > 0 ? `${ageSeconds.toFixed(1)} s` : "")],
      ]),
    ],
    figures: [
      most(
        "back after",
        seconds(({ rtoSeconds }) => rtoSeconds),
        mostRto,
      ),
      most(
        "lost at most, with a backup so old",
        seconds(({ rpoSeconds }) => rpoSeconds),
        mostRpo,
      ),
    ],
    healthy: [{ phase: "before anything is lost", share, least: 0.8 }],
    failures,
  };
}
