import type { SessionData, Store } from "express-session";
import { readCopy } from "../../src/sessions/copy.ts";
import type { Stored } from "../support/store-calls.ts";
import { type Play, shortMs } from "./play.ts";
import { lagMs, timing, type World } from "./world.ts";

const most = 60;
const pollMs = 20;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets everything become well again, and then wants the same answer from all that can be asked, the right one. */
export async function settle(world: World, play: Play): Promise<void> {
  await world.heal();
  const well = world.now();
  // Until then an instance may still remember what it must not depend on.
  const quietMs = Math.max(lagMs, 2 * timing.floor + 50);
  while (world.now() - well < quietMs) await pause(pollMs);
  await world.trusting();
  for (const sid of play.sids().slice(-most)) {
    await agree(sid);
    await ends(sid);
  }
  if (world.doubled.length > 0) throw new Error(`answered twice: ${world.doubled.join(", ")}`);

  async function ask(store: Store, sid: string): Promise<string | null> {
    const got = await play.asked<SessionData | null>(`get ${sid}`, (done) => store.get(sid, done));
    return ((got ?? null) as Stored | null)?.value as string | null;
  }

  async function agree(sid: string): Promise<void> {
    const from = world.now();
    const stores = [...[...world.members.values()].map(({ store }) => store), world.stock];
    const answers: (string | null)[] = [];
    for (const store of stores) answers.push((await ask(store, sid)) ?? null);
    const { may } = play.over(sid, from);
    const loose = may || (play.skewed && play.life(sid)?.lifeMs === shortMs);
    const [value = null] = answers;
    if (answers.some((other) => other !== value) && !loose)
      throw new Error(`${quietMs} ms after all was well, ${sid} is shown as ${answers.join(", ")}`);
    const verdict = play.judge(sid, { by: "anybody", from, to: world.now(), value }, loose);
    if (verdict) throw new Error(`all are shown of ${sid}: ${verdict}`);
  }

  /** Both stores let it end at about the same time. */
  async function ends(sid: string): Promise<void> {
    const life = play.life(sid);
    if (play.skewed || !life) return;
    const key = `session:${sid}`;
    const text = await world.redis.ask("GET", key);
    const asked = Date.now();
    const left = Number(await world.redis.ask("PTTL", key));
    const answered = Date.now();
    const sessions = world.client.db().collection<{ _id: string; expires: Date }>("sessions");
    const document = await sessions.findOne({ _id: sid });
    const copy = typeof text === "string" ? readCopy(text) : undefined;
    if (!copy || !document || copy.epoch !== world.at("A").store.parts.trust.epoch.value) return;
    const ends = document.expires.getTime();
    const apart = Math.max(asked + left - ends, ends - (answered + left), 0);
    if (left > 0 && apart > life.lifeMs / 10 + 1_000)
      throw new Error(`${sid} ends ${apart} ms apart in the two stores`);
  }
}
