import { createHash } from "node:crypto";
import { pause } from "../../kernel/pause.ts";
import type { SessionDocument } from "../stores/documents.ts";
import { compare, type Finding, findCopy, isWrong } from "./compare.ts";
import { createPace } from "./pace.ts";
import { endingWith, type Toolbox, type ToolOptions } from "./toolbox.ts";
import { copiedIds, livingIds } from "./walk.ts";

export interface VerifyOptions extends ToolOptions {
  /** Only so many sessions, and so many copies, instead of all. */
  sample?: number;
  /** What is wrong counts only when it is still there so much later: a write may be between its two halves. */
  settleMs?: number;
}

export interface Verified {
  readonly sessions: number;
  readonly findings: Readonly<Record<Finding, number>>;
  /** Written again and again while they were looked at. */
  readonly unsettled: number;
  /** No copy that may be believed says anything wrong. */
  readonly clean: boolean;
  /** Every session has a copy that may be believed, and nothing else is there: a stock connect-redis could take over. */
  readonly complete: boolean;
  /** Some of those that are wrong, by their aliases. */
  readonly examples: readonly { alias: string; finding: Finding }[];
  /** Stopped before the end. */
  readonly stopped: boolean;
}

interface Suspect {
  readonly id: string;
  /** Of the copy that was seen. */
  readonly digest: string;
}

const portion = 200;
const mostSuspects = 2_000;
const looks = 4;
const mostExamples = 10;
const digestOf = (text: string | null) =>
  createHash("sha1")
    .update(text ?? "")
    .digest("base64");

/** Compares what MongoDB holds with the copies in Redis; changes nothing. */
export async function verifySessions(tools: Toolbox, options: VerifyOptions = {}): Promise<Verified> {
  const { sample, settleMs = 1_600, rate = 5_000, onProgress, signal = new AbortController().signal } = options;
  const box = endingWith(tools, signal);
  const findings = { same: 0, missing: 0, old: 0, foreign: 0, differing: 0, orphaned: 0, ends: 0 };
  const examples: { alias: string; finding: Finding }[] = [];
  const pace = createPace(rate, signal);
  const suspects = new Map<string, Suspect>();
  let sessions = 0;
  let unsettled = 0;

  async function lookAt(ids: string[], documents: Map<string, SessionDocument>) {
    const epoch = await box.epoch();
    return Promise.all(
      ids.map(async (id) => {
        const copy = await findCopy(box, id);
        const finding = await compare(box, documents.get(id), copy, epoch);
        return { id, finding, digest: digestOf(copy.text) };
      }),
    );
  }

  async function documentsOf(ids: string[]): Promise<Map<string, SessionDocument>> {
    const found = await box.sessions.find({ _id: { $in: ids } }).toArray();
    return new Map(found.map((document) => [document._id, document]));
  }

  function confirm(id: string, finding: Finding): void {
    findings[finding] += 1;
    if (isWrong(finding) && examples.length < mostExamples) examples.push({ alias: box.alias(id), finding });
  }

  /** What is still the same wrong copy after a while is wrong; what has changed is looked at again. */
  async function settle(): Promise<void> {
    for (let look = 1; look < looks && suspects.size > 0; look += 1) {
      await pause(settleMs, signal);
      const ids = [...suspects.keys()];
      for (let at = 0; at < ids.length; at += portion) {
        const some = ids.slice(at, at + portion);
        for (const { id, finding, digest } of await lookAt(some, await documentsOf(some))) {
          const changed = suspects.get(id)?.digest !== digest;
          if (isWrong(finding) && changed) suspects.set(id, { id, digest });
          else {
            suspects.delete(id);
            confirm(id, finding);
          }
        }
      }
    }
    unsettled += suspects.size;
    suspects.clear();
  }

  async function examine(ids: string[]): Promise<void> {
    for (const { id, finding, digest } of await lookAt(ids, await documentsOf(ids))) {
      if (isWrong(finding)) suspects.set(id, { id, digest });
      else confirm(id, finding);
    }
    if (suspects.size >= mostSuspects) await settle();
  }

  async function* sampled(size: number): AsyncGenerator<string[]> {
    const found = await box.sessions
      .aggregate<{ _id: string }>([{ $match: box.alive() }, { $sample: { size } }, { $project: { _id: 1 } }])
      .toArray();
    const ids = [...new Set(found.map(({ _id }) => _id))];
    for (let at = 0; at < ids.length; at += portion) yield ids.slice(at, at + portion);
  }

  const total = sample ?? (await box.sessions.countDocuments(box.alive()));
  for await (const ids of sample === undefined ? livingIds(box, undefined, portion) : sampled(sample)) {
    if (signal.aborted) break;
    await pace(ids.length);
    await examine(ids);
    sessions += ids.length;
    onProgress?.({ done: sessions, total: Math.max(total, sessions) });
  }

  let copies = 0;
  for await (const ids of copiedIds(box, portion)) {
    if (signal.aborted || copies >= (sample ?? Number.POSITIVE_INFINITY)) break;
    copies += ids.length;
    await pace(ids.length);
    const known = await documentsOf(ids);
    await examine([...new Set(ids)].filter((id) => !known.has(id)));
  }
  await settle();

  const { same, missing, differing, orphaned, ends } = findings;
  const whole = sample === undefined && !signal.aborted;
  const looked = Object.values(findings).reduce((sum, one) => sum + one, unsettled);
  return {
    sessions,
    findings,
    unsettled,
    clean: differing + orphaned + ends === 0 && !signal.aborted,
    complete: whole && missing === 0 && same === looked,
    examples,
    stopped: signal.aborted,
  };
}
