import type { SessionData } from "express-session";
import { duplicateKey } from "../../mongo/errors.ts";
import type { Script } from "../../redis/types.ts";
import { readCopy } from "../copy.ts";
import type { SessionDocument } from "../stores/documents.ts";
import { makeCopy } from "./make-copy.ts";
import { createPace } from "./pace.ts";
import { endingWith, type Toolbox, type ToolOptions } from "./toolbox.ts";
import { copiedIds } from "./walk.ts";

export interface ImportOptions extends ToolOptions {
  /** Only count what would be brought in. */
  dryRun?: boolean;
}

export interface Imported {
  /** Keys below the prefix. */
  readonly keys: number;
  /** Copies of our own, which MongoDB knows anyway. */
  readonly ours: number;
  readonly created: number;
  readonly updated: number;
  /** MongoDB has the same already. */
  readonly same: number;
  /** MongoDB has something newer, which stays. */
  readonly older: number;
  /** Destroyed here; it stays so. */
  readonly ended: number;
  /** Not a session. */
  readonly unreadable: number;
  /** Written while it was looked at: run it again. */
  readonly busy: number;
  readonly stopped: boolean;
}

type Outcome = "ours" | "created" | "updated" | "same" | "older" | "ended" | "unreadable" | "busy";

/** In place of the copy that was read, if it is still that one. ARGV: its text, ours or "" for none, the life in ms. */
const adoptCopy: Script = {
  name: "session.adopt",
  keys: 2,
  lua: `
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("DEL", KEYS[1], KEYS[2])
if ARGV[2] ~= "" then redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3]) end
return 1`,
};

const portion = 100;
const writeConcern = { w: "majority" } as const;
// Both stores round, and write one after the other.
const slackMs = 2_000;

function parsed(text: string): SessionData | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const { cookie } = (value ?? {}) as { cookie?: unknown };
    return typeof cookie === "object" && cookie !== null ? (value as SessionData) : undefined;
  } catch {
    return undefined;
  }
}

/** Of a session whose key never ends: as its cookie says. */
function endOf({ cookie }: SessionData, left: number, { clock, ttlSeconds }: Toolbox): number {
  if (left >= 0) return clock.now() + left;
  const { expires } = cookie as { expires?: unknown };
  const said = typeof expires === "string" ? Date.parse(expires) : Number.NaN;
  return Number.isNaN(said) ? clock.now() + ttlSeconds * 1_000 : said;
}

const withoutExpires = ({ cookie, ...rest }: SessionData): string =>
  JSON.stringify({ ...rest, cookie: { ...cookie, expires: null } });

/**
 * Brings in the sessions that a stock connect-redis wrote. The one used last is the newer one, as the ends of its lives
 * tell. Then MongoDB has it, and in place of the key there is a copy of ours.
 */
export async function importSessions(tools: Toolbox, options: ImportOptions = {}): Promise<Imported> {
  const { rate = 1_000, dryRun = false, onProgress, signal = new AbortController().signal } = options;
  const box = endingWith(tools, signal);
  const { sessions, codec, copies, door, insist, versions } = box;
  const pace = createPace(rate, signal);
  const counts = { ours: 0, created: 0, updated: 0, same: 0, older: 0, ended: 0, unreadable: 0, busy: 0 };

  async function judge(document: SessionDocument, session: SessionData, expires: number): Promise<Outcome> {
    const theirs = withoutExpires((await codec.decode(document.session)) as SessionData);
    const apart = expires - box.expiresOf(document);
    if (theirs === withoutExpires(session) && Math.abs(apart) <= slackMs) return "same";
    return apart < -slackMs ? "older" : "updated";
  }

  /** Answers what MongoDB has now; undefined when somebody else was faster. */
  async function write(id: string, document: SessionDocument | null, session: SessionData, expires: number) {
    const { stored, hash } = await codec.encode(session);
    const v = versions.next(document?.v, true);
    const content = { session: stored, expires: new Date(expires), v, h: hash };
    const written: SessionDocument = { _id: id, ...content };
    if (document) {
      // Only in place of what was read: whoever writes meanwhile is newer.
      const seen = { session: document.session, v: document.v ?? { $exists: false } };
      const filter = { _id: id, ...seen, expires: document.expires ?? { $exists: false } };
      const { matchedCount } = await sessions.updateOne(filter as object, { $set: content }, { writeConcern });
      return matchedCount > 0 ? written : undefined;
    }
    try {
      await sessions.insertOne(written, { writeConcern });
      return written;
    } catch (error) {
      if (duplicateKey(error) === undefined) throw error;
      return undefined;
    }
  }

  /** Whether our copy stands in place of that text; undefined when nobody knows. */
  async function adopt(id: string, text: string, document: SessionDocument | null, epoch: number) {
    const keys = [copies.keyOf(id), `{${copies.keyOf(id)}}:fill`];
    const made = document && (await makeCopy(box, document, epoch));
    const [copy, life] = made && typeof made === "object" ? [made.text, String(Math.ceil(made.lifeMs))] : ["", ""];
    // Asked once: a second answer could not be told from somebody else's doing.
    const answer = await door.script<number>(adoptCopy, keys, [text, copy, life]);
    return answer.ok ? answer.value > 0 : undefined;
  }

  /** `document` was read before the key is: what is written meanwhile is then known to be newer. */
  async function bring(id: string, document: SessionDocument | null, isEnded: boolean, epoch: number) {
    const text = await insist(() => copies.get(id));
    if (text === null) return "busy";
    if (readCopy(text)) return "ours";
    const left = await insist(() => door.call("session.left", (redis) => redis.pTTL(copies.keyOf(id))));
    const session = parsed(text);
    if (!session) return "unreadable";
    if (left === -2) return "busy";
    const expires = endOf(session, left, box);
    const outcome = isEnded ? "ended" : document ? await judge(document, session, expires) : "created";
    if (dryRun) return outcome;
    const writes = outcome === "created" || outcome === "updated";
    const now = writes ? await write(id, document, session, expires) : document;
    if (now === undefined) return "busy";
    const adopted = await adopt(id, text, isEnded ? null : now, epoch);
    if (adopted !== false || outcome !== "created" || !now?.v) return outcome;
    // Whoever took the key away ended the session.
    await sessions.deleteOne({ _id: id, v: now.v }, { writeConcern });
    return "busy";
  }

  let keys = 0;
  for await (const ids of copiedIds(box, portion)) {
    if (signal.aborted) break;
    await pace(ids.length);
    const epoch = await box.epoch();
    const [ended, found] = await Promise.all([box.ended(ids), sessions.find({ _id: { $in: ids } }).toArray()]);
    const documents = new Map(found.map((document) => [document._id, document]));
    const bringing = [...new Set(ids)].map((id) => bring(id, documents.get(id) ?? null, ended.has(id), epoch));
    const outcomes: Outcome[] = await Promise.all(bringing);
    for (const outcome of outcomes) counts[outcome] += 1;
    keys += outcomes.length;
    onProgress?.({ done: keys });
  }
  return { keys, ...counts, stopped: signal.aborted };
}
