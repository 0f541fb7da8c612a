import { LRUCache } from "lru-cache";
import type { Element } from "./shapes/shape.ts";

/** Parses a text once: of a long list little changes between two looks at it. */
export function parsedOnce<Entry extends object>(
  parse: (element: Element) => Entry,
  most: number,
): (element: Element) => Entry {
  const known = new LRUCache<string, Entry>({ max: most });
  return (element) => {
    const before = known.get(element.text);
    if (before) return before;
    const entry = parse(element);
    known.set(element.text, entry);
    return entry;
  };
}
