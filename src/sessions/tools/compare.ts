import { type ReadCopy, readCopy, writeCopy } from "../copy.ts";
import type { SessionDocument } from "../stores/documents.ts";
import { versionOf } from "../version.ts";
import type { Toolbox } from "./toolbox.ts";

/**
 * missing: no copy. old: one that nobody believes any more. foreign: somebody else's store wrote it. All three are fine.
 * differing, orphaned (no such session), ends (it lives shorter or longer than the session): wrong.
 */
export type Finding = "same" | "missing" | "old" | "foreign" | "differing" | "orphaned" | "ends";

export const isWrong = (finding: Finding): boolean =>
  finding === "differing" || finding === "orphaned" || finding === "ends";

/** A copy as it was found in Redis; `endsIn`: undefined when it never ends. */
export interface FoundCopy {
  readonly text: string | null;
  readonly endsIn: number | undefined;
}

const TENTH = 10;
const slackMs = 1_000;

export async function findCopy({ copies, door, insist }: Toolbox, id: string): Promise<FoundCopy> {
  const [text, left] = await Promise.all([
    insist(() => copies.get(id)),
    insist(() => door.call("session.left", (redis) => redis.pTTL(copies.keyOf(id)))),
  ]);
  return { text, endsIn: left < 0 ? undefined : left };
}

async function sameContent({ codec }: Toolbox, document: SessionDocument, text: string, copy: ReadCopy) {
  const portable = await codec.portableOf(document.session);
  if (!portable) return versionOf(document, codec.hashOf(document.session)) === copy.version;
  return writeCopy(portable.json, copy) === text;
}

/** Both are told of each touch, but MongoDB only once in a tenth of the life. */
function endsAlike(box: Toolbox, document: SessionDocument, copy: ReadCopy, endsIn: number | undefined): boolean {
  if (endsIn === undefined) return document.expires === undefined;
  const { originalMaxAge } = (JSON.parse(copy.json) as { cookie?: { originalMaxAge?: unknown } }).cookie ?? {};
  const lifeMs = typeof originalMaxAge === "number" ? originalMaxAge : box.ttlSeconds * 1_000;
  const apart = Math.abs(box.clock.now() + endsIn - box.expiresOf(document));
  return apart <= lifeMs / TENTH + slackMs;
}

export async function compare(
  box: Toolbox,
  document: SessionDocument | undefined,
  { text, endsIn }: FoundCopy,
  epoch: number,
): Promise<Finding> {
  if (text === null) return "missing";
  const copy = readCopy(text);
  if (!copy) return "foreign";
  if (copy.epoch < epoch) return "old";
  if (!document) return "orphaned";
  if (!(await sameContent(box, document, text, copy))) return "differing";
  return endsAlike(box, document, copy, endsIn) ? "same" : "ends";
}
