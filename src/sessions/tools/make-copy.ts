import { writeCopy } from "../copy.ts";
import type { SessionDocument } from "../stores/documents.ts";
import { versionOf } from "../version.ts";
import type { Toolbox } from "./toolbox.ts";

export interface MadeCopy {
  readonly text: string;
  readonly lifeMs: number;
}

/** The copy of what MongoDB holds. `epoch`: known before MongoDB was asked. */
export async function makeCopy(
  box: Toolbox,
  document: SessionDocument,
  epoch: number,
): Promise<MadeCopy | "unportable" | "gone"> {
  const { codec, clock } = box;
  const portable = await codec.portableOf(document.session);
  if (!portable) return "unportable";
  const version = versionOf(document, codec.hashOf(document.session));
  const expires = box.expiresOf(document);
  const lifeMs = expires - clock.now();
  if (lifeMs <= 0) return "gone";
  return { text: writeCopy(portable.json, { expires, epoch, version, dated: portable.dated }), lifeMs };
}
