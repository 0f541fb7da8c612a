import type mongoose from "mongoose";
import { openEar, type Papers, sidOf, type Traffic } from "../topology/traffic.ts";

/** What people are told, against what MongoDB has. */
export interface Compared {
  readonly lost: number;
  readonly revived: number;
  readonly stale: number;
  /** Logouts that are in MongoDB no more, and logins that are not: what went with MongoDB itself. */
  readonly undone: { readonly logouts: number; readonly logins: number };
  readonly words: readonly string[];
}

interface Listed {
  readonly id: string;
}

interface Line {
  readonly _id: { toHexString(): string };
  readonly text: string;
  readonly timestamp: Date;
}

interface Word {
  readonly id: string;
  readonly text: string;
}

const room = "general";
const same = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((word, n) => word === other[n]);

function difference(what: string, told: readonly string[], stored: readonly string[]): string | undefined {
  if (same(told, stored)) return undefined;
  const more = told.filter((one) => !stored.includes(one));
  const less = stored.filter((one) => !told.includes(one));
  return `${what}: MongoDB has not ${JSON.stringify(more)}, the answer has not ${JSON.stringify(less)}`;
}

/** One person's history of the room, against the newest messages of MongoDB that are no younger. */
async function historyOf(url: string, papers: Papers, db: mongoose.mongo.Db): Promise<string | undefined> {
  const ear = await openEar(url, papers);
  try {
    const shown = (await ear.join(room)) as (Word & { timestamp: string })[];
    const upTo = new Date(shown.at(-1)?.timestamp ?? 0);
    const stored = await db
      .collection<Line>("messages")
      .find({ channel: room, type: { $ne: "private" }, timestamp: { $lte: upTo } })
      .sort({ timestamp: -1, _id: -1 })
      .limit(shown.length)
      .toArray();
    const younger = await db
      .collection("messages")
      .countDocuments({ channel: room, type: "public", timestamp: { $gt: upTo } });
    const expected = stored.reverse().map(({ _id, text }) => ({ id: _id.toHexString(), text }));
    if (younger > 0) return `${younger} messages are missing at the end of the history`;
    const words = ({ id, text }: Word) => `${id} ${text}`;
    return difference(`a history of ${shown.length} messages`, shown.map(words), expected.map(words));
  } finally {
    ear.close();
  }
}

export interface CompareOptions {
  url: string;
  traffic: Traffic;
  db: mongoose.mongo.Db;
  /** What was said; MongoDB must have it. */
  texts: readonly string[];
}

/** Every session of before and of now, each list and a history, while nobody writes. */
export async function compare({ url, traffic, db, texts }: CompareOptions): Promise<Compared> {
  const words: string[] = [];
  const counts = { lost: 0, revived: 0, stale: 0 };
  const undone = { logouts: 0, logins: 0 };
  const sessions = db.collection<{ _id: string }>("sessions");
  const judge = async (papers: Papers, out: boolean) => {
    const there = (await sessions.findOne({ _id: sidOf(papers) })) !== null;
    if (there && out) undone.logouts += 1;
    if (!there && !out) undone.logins += 1;
    const status = await traffic.status(url, papers);
    if (status === (there ? 200 : 401)) return;
    if (there) counts.lost += 1;
    else counts.revived += 1;
    words.push(`${papers.nickname}: ${status}, and MongoDB has ${there ? "the" : "no such"} session`);
  };
  for (const papers of traffic.everybody()) await judge(papers, false);
  for (const papers of traffic.formers) await judge(papers, true);

  const lists: [path: string, collection: string, field: string, of: (one: never) => string][] = [
    ["/api/channels", "channels", "id", ({ id }: Listed) => id],
    ["/api/users", "users", "nickname", ({ nickname }: Papers) => nickname],
  ];
  for (const [path, collection, field, of] of lists) {
    const told = ((await traffic.list(url, path)) as never[]).map(of).sort();
    const stored = (await db.collection(collection).find().toArray()).map((one) => String(one[field])).sort();
    const wrong = difference(path, told, stored);
    if (wrong) counts.stale += 1;
    if (wrong) words.push(wrong);
  }
  for (const papers of traffic.talkers) {
    const wrong = await historyOf(url, papers, db);
    if (wrong) counts.stale += 1;
    if (wrong) words.push(wrong);
  }
  const kept = await db.collection("messages").countDocuments({ text: { $in: [...texts] } });
  if (kept < texts.length) words.push(`MongoDB has ${kept} of ${texts.length} messages that were said`);
  return { ...counts, undone, words };
}
