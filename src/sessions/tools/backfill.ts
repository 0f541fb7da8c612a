import { pause } from "../../kernel/pause.ts";
import type { SessionDocument } from "../stores/documents.ts";
import { createCheckpoint, type Mark } from "./checkpoint.ts";
import { makeCopy } from "./make-copy.ts";
import { createPace } from "./pace.ts";
import { sweepCopies } from "./sweep.ts";
import { endingWith, type Toolbox, type ToolOptions } from "./toolbox.ts";
import { livingIds } from "./walk.ts";

export interface BackfillOptions extends ToolOptions {
  /** From the beginning, whatever an earlier run has done. */
  restart?: boolean;
  /** Only count what would be copied. */
  dryRun?: boolean;
}

/** What the last round came to: it is the one whose copies are believed. */
export interface Backfilled {
  readonly sessions: number;
  readonly copied: number;
  /** Somebody wrote or filled the copy at the same time, which is as good. */
  readonly outrun: number;
  /** A stock connect-redis wrote the copy: `sessions import` brings it in. */
  readonly foreign: number;
  /** It ended meanwhile, or had ended before an old server wrote it back. */
  readonly gone: number;
  /** JSON cannot carry it, or it is too large, so that it stays in MongoDB alone. */
  readonly unportable: number;
  /** Old copies of no session that were removed. */
  readonly swept: number;
  /** How many were done by the run before this one, that did not come to its end. */
  readonly resumedAt: number;
  /** More than one: the epoch was raised meanwhile, which made every copy old, and all were copied again. */
  readonly rounds: number;
  readonly stopped: boolean;
}

type Outcome = "copied" | "outrun" | "foreign" | "gone" | "unportable";

const portion = 100;
const againMs = 50;
const markEveryMs = 250;
const defaultRate = 2_500;
/** Looking whether a session is still there costs so much less than copying one. */
const looksPerCopy = 4;
// Each begins when the epoch was raised during the one before, which made its copies old.
const mostRounds = 3;

/**
 * Copies every living session to Redis as MongoDB has it. Each copy is announced by a lease before MongoDB is asked, and
 * whoever writes or ends the session takes the lease away: so nothing newer is overwritten and nothing revived.
 */
export async function backfillSessions(tools: Toolbox, options: BackfillOptions = {}): Promise<Backfilled> {
  const { rate = defaultRate, onProgress, restart = false, dryRun = false } = options;
  const { signal = new AbortController().signal } = options;
  const box = endingWith(tools, signal);
  const checkpoint = createCheckpoint(box);
  const pace = createPace(rate, signal);
  const none: Record<Outcome, number> = { copied: 0, outrun: 0, foreign: 0, gone: 0, unportable: 0 };
  const counts = { ...none };
  const later: string[] = [];
  let leases = 0;
  let walked = 0;

  function nextToken(): string {
    leases += 1;
    return `${box.versions.instance}${leases.toString(36)}`;
  }

  async function fill(document: SessionDocument, token: string, epoch: number): Promise<Outcome> {
    const copy = await makeCopy(box, document, epoch);
    if (typeof copy === "string") return copy;
    const filled = await box.insist(() => box.copies.fill(document._id, token, copy.text, copy.lifeMs));
    return filled === "filled" ? "copied" : filled === "foreign" ? "foreign" : "outrun";
  }

  async function copy(ids: string[], again = true): Promise<void> {
    const epoch = await box.epoch();
    const tokens = new Map(ids.map((id) => [id, nextToken()]));
    const asked = [...tokens].map(([id, token]) => box.insist(() => box.copies.lease(id, token)));
    const leased = await Promise.all(asked);
    const mine = ids.filter((_, at) => leased[at]);
    const documents = await box.sessions.find({ _id: { $in: mine }, ...box.alive() }).toArray();
    const ended = await box.ended(documents.filter(({ v }) => v === undefined).map(({ _id }) => _id));
    const living = documents.filter(({ _id }) => !ended.has(_id));
    counts.gone += mine.length - living.length;
    const outcomes = await Promise.all(living.map((one) => fill(one, tokens.get(one._id) ?? "", epoch)));
    for (const outcome of outcomes) counts[outcome] += 1;
    const late = living.filter((_, at) => outcomes[at] === "outrun").map(({ _id }) => _id);
    const taken = ids.filter((_, at) => !leased[at]);
    counts.outrun += taken.length;
    if (again) later.push(...late, ...taken);
  }

  /** Those that were written or read just then: again in a moment, and once more when a lease that was left is gone. */
  async function copyLater(): Promise<void> {
    for (const [waitMs, last] of [[againMs, false] as const, [box.leaseMs, true] as const]) {
      const ids = later.splice(0);
      if (ids.length === 0 || signal.aborted) return;
      await pause(waitMs, signal);
      counts.outrun -= ids.length;
      for (let at = 0; at < ids.length; at += portion) {
        const some = ids.slice(at, at + portion);
        await pace(some.length);
        await copy(some, !last);
      }
    }
  }

  let markedAt = 0;
  /** Now and then, and when it is stopped: what is copied twice does no harm. */
  async function mark(now: Mark): Promise<void> {
    if (performance.now() - markedAt < markEveryMs && !signal.aborted) return;
    await checkpoint.write(now);
    markedAt = performance.now();
  }

  async function walk(after: string | undefined, total: number, began: number): Promise<void> {
    for await (const ids of livingIds(box, after, portion)) {
      if (signal.aborted) return;
      await pace(ids.length);
      await copy(ids);
      walked += ids.length;
      await mark({ after: ids.at(-1) ?? "", epoch: began, walked });
      onProgress?.({ done: walked, total: Math.max(total, walked) });
    }
    await copyLater();
  }

  const total = await box.sessions.countDocuments(box.alive());
  const copiedNothing = { ...none, swept: 0, resumedAt: 0, rounds: 0, stopped: false };
  if (dryRun) return { sessions: total, ...copiedNothing };
  let epoch = await box.epoch();
  const earlier = restart ? undefined : await checkpoint.read();
  const resumed = earlier?.epoch === epoch ? earlier : undefined;
  walked = resumed?.walked ?? 0;
  await walk(resumed?.after, total, epoch);
  let rounds = 1;
  for (; rounds < mostRounds && !signal.aborted; rounds += 1) {
    const now = await box.epoch();
    if (now === epoch) break;
    epoch = now;
    walked = 0;
    Object.assign(counts, none);
    await walk(undefined, total, epoch);
  }
  const swept = signal.aborted ? 0 : await sweepCopies(box, { rate: rate * looksPerCopy, signal });
  if (!signal.aborted) await checkpoint.clear();
  const resumedAt = rounds === 1 ? (resumed?.walked ?? 0) : 0;
  return { sessions: walked, ...counts, swept, resumedAt, rounds, stopped: signal.aborted };
}
