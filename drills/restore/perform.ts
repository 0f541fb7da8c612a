import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { startChat } from "../../test/support/chat.ts";
import { deploy, deployedEnv, makeSecrets } from "../../test/support/deployment.ts";
import { createEnds } from "../../test/support/ends.ts";
import { shellBeside } from "../../test/support/pages.ts";
import { until } from "../../test/support/until.ts";
import { stateAt } from "../support/watch.ts";
import { redisIsUp, shareOfSessions } from "../topology/share.ts";
import { openEar, type Papers, startTraffic } from "../topology/traffic.ts";
import { startClock } from "./clock.ts";
import { compare } from "./compare.ts";
import { judge, type Row } from "./judge.ts";
import { type Loss, losses, type Stage } from "./losses.ts";
import { programOf, startMember } from "./mongod.ts";
import { followThePage } from "./page.ts";

const patience = { timeoutMs: 60_000, everyMs: 20 };
const key = "cache:drill:clock";
/** What a person's next answer may be older than MongoDB. */
const boundMs = 1_500;
/** Whoever joins is shown what their server has sent to others within this, which a restored MongoDB may not have. */
const justSentMs = 10_000;

const isUp = ({ chat }: Pick<Stage, "chat">) => redisIsUp([chat]);
/** A server that says nothing has not noticed anything. */
const isOut = ({ chat }: Stage) => stateAt(chat.url).then((state) => state !== undefined && state !== "up");
const isReady = ({ chat }: Stage) =>
  fetch(`${chat.url}/health/ready`).then(
    ({ status }) => status === 200,
    () => false,
  );

/** Somebody logs out, a channel is removed by hand and another made, and a message is said and heard. */
async function live(stage: Stage, when: string): Promise<void> {
  const { traffic, db, texts, ear } = stage;
  await traffic.logOut();
  const id = traffic.oldest();
  if (id) await db.collection("channels").deleteOne({ id });
  if (id) traffic.removed(id);
  await traffic.makeChannel(`room ${texts.length}`);
  const text = `said ${when} ${texts.length}`;
  ear.emit("message", { text });
  await ear.hears("message", (message) => message.text === text);
  texts.push(text);
}

function startClockOf({ db, redis }: Stage, of: Loss["of"]) {
  if (of === "Redis")
    return startClock({
      write: (at) => redis.ask("SET", key, at),
      read: async () => Number((await redis.ask("GET", key)) ?? Number.NaN),
    });
  const clocks = db.collection<{ _id: string; at: number }>("drill");
  const how = { upsert: true, writeConcern: { w: "majority" } } as const;
  return startClock({
    write: (at) => clocks.updateOne({ _id: "clock" }, { $set: { at } }, how),
    read: async () => (await until(() => clocks.findOne({ _id: "clock" }), patience)).at,
  });
}

async function lose(stage: Stage, loss: Loss, failures: string[]): Promise<Row> {
  const { traffic, chat, db, member, redis, folder, seconds, env } = stage;
  const ofRedis = loss.of === "Redis";
  const copy = join(folder, loss.fault.replace(/\W+/g, "-"));
  const began = performance.now();
  traffic.look();
  await redis.ask("DEL", key);
  const clock = startClockOf(stage, loss.of);
  await pause(seconds * 1_000);
  const savedAt = Date.now();
  await loss.backup?.(stage, copy);
  await live(stage, "after the backup");
  const saidAt = performance.now();
  await pause(seconds * 1_000);
  const lostAt = performance.now();
  await (ofRedis ? redis.kill() : member.lose());
  const lastAt = clock.acknowledged();
  await clock.stop();
  const known = async () => (ofRedis ? isOut(stage) : !(await isReady(stage)));
  await until(known, { ...patience, describe: `the chat to know that ${loss.of} is lost` });
  const detectMs = performance.now() - lostAt;
  if (ofRedis) await live(stage, "meanwhile");
  // MongoDB as it was before the backup: what people are told until the operator is done is judged afterwards.
  else await traffic.hold();
  const since = performance.now();
  await loss.restore(stage, copy);
  const back = async () => (await isReady(stage)) && (await isUp(stage));
  const describe = `the chat to use ${loss.of} again`;
  await until(back, { ...patience, describe });
  if (!ofRedis) {
    for (const words of await followThePage(env)) failures.push(`${loss.fault}: ${words}`);
    await until(back, { ...patience, describe });
  }
  const rtoSeconds = (performance.now() - since) / 1_000;
  const found = await clock.found();
  // Whoever asks now is answered from what is there again.
  await pause(ofRedis ? boundMs : Math.max(boundMs, saidAt + justSentMs - performance.now()));
  await traffic.hold();
  const { undone, words, ...wrong } = await compare({
    url: chat.url,
    traffic,
    db,
    texts: ofRedis ? stage.texts : stage.texts.slice(0, -1),
  });
  failures.push(...words.map((one) => `${loss.fault}: ${one}`));
  const seen = traffic.look();
  if (ofRedis) traffic.goOn();
  return {
    fault: loss.fault,
    ...seen,
    lost: seen.lost + wrong.lost,
    revived: seen.revived + wrong.revived,
    stale: seen.stale + wrong.stale,
    seconds: (performance.now() - began) / 1_000,
    detectMs,
    rtoSeconds,
    rpoSeconds: Number.isNaN(found) ? undefined : Math.max(0, lastAt - found) / 1_000,
    ageSeconds: loss.backup ? (lastAt - savedAt) / 1_000 : loss.survives ? 0 : undefined,
    undone,
  };
}

export interface RestoreReport {
  readonly ok: boolean;
  readonly rows: readonly Row[];
  /** Of what was read while all was well, what came from the caches. */
  readonly shares: readonly { readonly phase: string; readonly share: number }[];
  readonly failures: readonly string[];
}

/** Caches and copies of sessions are used again, and go on to be. */
async function sharesOf({ chat, traffic }: Stage, when: string) {
  await until(async () => (await traffic.fromCaches(1)) === 1, { ...patience, describe: "the caches to be used" });
  return [
    { phase: `lists ${when}`, share: await traffic.fromCaches(50) },
    { phase: `sessions ${when}`, share: await shareOfSessions([chat], traffic) },
  ];
}

export interface RestoreOptions {
  /** Where a MongoDB of this machine runs; the drill starts another one of its kind. */
  mongo: string;
  /** Between the beginning, the backup, and the loss. */
  seconds: number;
  say(line: string): void;
}

/** Loses Redis and MongoDB, and restores them as docs/backup.md says, under a chat in use. */
export async function performRestore({ mongo, seconds, say }: RestoreOptions): Promise<RestoreReport> {
  const ends = createEnds();
  const rows: Row[] = [];
  const shares: { phase: string; share: number }[] = [];
  const failures: string[] = [];
  try {
    const folder = await mkdtemp(join(tmpdir(), "sluice-backup-"));
    ends.later(() => rm(folder, { recursive: true, force: true }));
    const secrets = await makeSecrets();
    ends.later(() => secrets.remove());
    const member = ends.add(await startMember(await programOf(mongo)));
    const client = ends.add(new mongoose.mongo.MongoClient(member.url, { serverSelectionTimeoutMS: 2_000 }));
    const redis = ends.add(await deploy({ kind: "redis", secrets }));
    const shell = ends.add(await shellBeside(redis, secrets));
    const env = {
      MONGODB_URL: member.url,
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      ...deployedEnv(secrets),
    };
    const chat = await startChat({ env });
    ends.later(() => chat.stop());
    await until(() => isUp({ chat }), { ...patience, describe: "Redis to be up" });
    // Nobody logs in or out but in the drill's own acts: a write that fails would make the servers careful by itself.
    const traffic = await startTraffic({ urls: [chat.url], people: 12, rate: 30 });
    ends.later(async () => {
      await traffic.stop();
      traffic.close();
    });
    const ear = ends.add(await openEar(chat.url, traffic.talkers[0] as Papers));
    await ear.join("general");
    const stage = {
      redis,
      member,
      db: client.db(),
      shell: shell.run,
      env,
      chat,
      folder,
      seconds,
      traffic,
      texts: [],
      ear,
    };
    await live(stage, "in the beginning");
    await traffic.audit();
    shares.push(...(await sharesOf(stage, "before anything is lost")));
    for (const loss of losses) {
      const row = await lose(stage, loss, failures);
      rows.push(row);
      const wrongs = judge(row, loss);
      failures.push(...wrongs, ...(wrongs.length > 0 ? traffic.examples.slice(0, 5) : []));
      traffic.examples.splice(0);
      say(
        `${row.fault}: back after ${row.rtoSeconds.toFixed(1)} s; ${row.requests} requests, ${row.errors} errors, ${row.lost} lost, ${row.revived} revived, ${row.stale} stale`,
      );
      shares.push(...(await sharesOf(stage, `after: ${row.fault}`)));
    }
    return { ok: failures.length === 0, rows, shares, failures };
  } finally {
    await ends.close();
  }
}
