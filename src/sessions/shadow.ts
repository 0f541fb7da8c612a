import { setTimeout as pause } from "node:timers/promises";
import { readCopy, writeCopy } from "./copy.ts";
import type { Parts } from "./parts.ts";
import type { Found, Reads } from "./reads.ts";
import type { Comparison } from "./types.ts";

export interface ShadowOptions {
  parts: Parts;
  reads: () => Reads;
  aside(work: Promise<unknown>): void;
}

const mostAtOnce = 50;
const wrong = (result: Comparison) => result === "different" || result === "extra";

/** Compares what MongoDB has with its copy, off the request path, and makes the copies that are missing. */
export function createShadow({ parts, reads, aside }: ShadowOptions): (id: string, found: Found | null) => void {
  const { codec, copies, events, timing, trust } = parts;
  let atOnce = 0;

  async function look(id: string, found: Found | null): Promise<Comparison> {
    const answer = await copies.get(id);
    if (!answer.ok) return "skipped";
    if (answer.value === null) return found ? "absent" : "same";
    const copy = readCopy(answer.value);
    if (!copy) return "skipped";
    if (copy.epoch !== trust.epoch.value) return "old epoch";
    if (!found) return "extra";
    const portable = await codec.portableOf(found.document.session);
    if (!portable || copy.version !== found.version) return "different";
    return writeCopy(portable.json, copy) === answer.value ? "same" : "different";
  }

  async function compare(id: string, found: Found | null): Promise<void> {
    let result: Comparison = (await trust.settled(performance.now())) ? "skipped" : await look(id, found);
    if (wrong(result)) {
      // A write may have been between its two halves.
      await pause(timing.settle, undefined, { ref: false });
      result = await look(id, await reads().found(id));
      if (await trust.settled(performance.now())) result = "skipped";
    }
    if (result === "absent" || result === "old epoch") await reads().copied(id);
    events.emit("compared", { result });
  }

  return (id, found) => {
    if (atOnce >= mostAtOnce) return;
    atOnce += 1;
    const done = () => {
      atOnce -= 1;
    };
    // MongoDB may fail meanwhile; then there is nothing to compare.
    aside(compare(id, found).then(done, done));
  };
}
