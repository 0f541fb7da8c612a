import type { SessionData } from "express-session";
import { inChunks } from "../kernel/chunks.ts";
import type { Floors } from "./floors.ts";
import type { Parts } from "./parts.ts";

export interface Lists {
  all(): Promise<SessionData[]>;
  length(): Promise<number>;
  /** As stored, so transformed where there is a `transformId`. */
  ids(): Promise<string[]>;
  clear(): Promise<void>;
}

const batch = 500;

/** What concerns all sessions: MongoDB knows them. */
export function createLists(parts: Parts, floors: Floors): Lists {
  const { codec, copies, documents, trust } = parts;

  async function drop(ids: string[]): Promise<void> {
    for (const id of ids) floors.bury(id);
    if (!trust.writes()) return;
    const answers = await Promise.all(ids.map((id) => copies.drop(id)));
    const failed = answers.find((answer) => !answer.ok);
    if (!failed || failed.ok) return;
    trust.legFailed(failed);
    await documents.end(ids, true);
  }

  return {
    async all() {
      const sessions: SessionData[] = [];
      for await (const { session } of documents.living()) sessions.push(await codec.decode(session));
      return sessions;
    },
    length: () => documents.count(),
    async ids() {
      const ids: string[] = [];
      for await (const id of documents.ids("living")) ids.push(id);
      return ids;
    },
    async clear() {
      const ids: string[] = [];
      for await (const id of documents.ids("all")) ids.push(id);
      const portions = inChunks(ids, batch);
      const remembered = !trust.writes();
      for (const some of portions) await documents.end(some, remembered);
      await documents.removeAll();
      for (const some of portions) await drop(some);
    },
  };
}
