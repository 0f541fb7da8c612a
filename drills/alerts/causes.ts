import { connect } from "node:net";
import type { Chat } from "../../test/support/chat.ts";
import { until } from "../../test/support/until.ts";
import type { Stage } from "./stage.ts";
import { beginVisits } from "./visits.ts";

/** Makes good what the commands of the runbook leave behind. */
export type Afterwards = () => Promise<unknown>;

export async function sluice(stage: Stage, line: string): Promise<void> {
  const { code, output } = await stage.shell(`sluice ${line} --reason "a drill"`);
  if (code !== 0) throw new Error(`sluice ${line} ended with ${code}: ${output}`);
}

// This route reads the session, past whatever a server keeps in memory.
const readsSession = "/api/channels/general/messages";
export const visit = ({ servers }: Stage, path = readsSession, many = 1) =>
  beginVisits(servers[0]?.url ?? "", path, many);

/** Somebody visits all the time while the nickname in the copy of the session becomes another. */
export async function causeDifference(stage: Stage): Promise<Afterwards> {
  const { redis } = stage;
  const visits = await visit(stage);
  await sluice(stage, "dial set --mode shadow");
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

const redisIs = (stage: Stage, state: string) =>
  until(async () => (await stage.health(stage.servers[0] as Chat)).includes(`"observedValue":"${state}"`), {
    timeoutMs: 30_000,
    describe: `Redis to be ${state}`,
  });

export async function causeFlapping(stage: Stage): Promise<Afterwards> {
  for (let times = 0; times < 3; times++) {
    await redisIs(stage, "up");
    await stage.redis.kill();
    await redisIs(stage, "down");
    await stage.redis.start();
  }
  return () => sluice(stage, "kill off");
}

/** Whoever is in holds the only place: everybody else is sent away, and finds no room any more. */
export async function causeNoRoom({ redis }: Stage): Promise<Afterwards> {
  const only = connect(redis.port, "127.0.0.1").on("error", () => undefined);
  const commands = ["CONFIG SET maxclients 1", "CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL TYPE pubsub"];
  only.write(commands.map((line) => `${line}\r\n`).join(""));
  return async () => only.destroy();
}

const busyMs = 50;

/** A neighbour whose scripts keep Redis busy, one after the other: nearly as long as a server waits for an answer. */
export async function causeSlowness(stage: Stage): Promise<Afterwards> {
  const visits = await visit(stage, readsSession, 8);
  await sluice(stage, "dial set 100");
  const loop = (rounds: number) => stage.redis.ask("EVAL", `for _ = 1, ${Math.round(rounds)} do end`, 0);
  const since = performance.now();
  await loop(1e6);
  const rounds = (1e6 * busyMs) / (performance.now() - since);
  let busy = true;
  const neighbour = (async () => {
    while (busy) await loop(rounds).catch(() => undefined);
  })();
  return async () => {
    busy = false;
    await neighbour;
    await visits.stop();
    await sluice(stage, "kill off");
    await sluice(stage, "dial set 0");
  };
}

/** All sessions are deleted in MongoDB. Whoever is sent to the login form goes, once the alert has told of it. */
export async function causeLogouts(stage: Stage, alert: string, people: number): Promise<Afterwards> {
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
