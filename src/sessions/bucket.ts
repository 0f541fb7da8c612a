/** Points of the dial's scale: one is a thousandth of a percent. */
export const POINTS = 100_000;

/** FNV-1a over UTF-16 units, finished so that ids that differ in one letter end far apart. */
function hash32(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export interface Bucket {
  /** Where the id stands on the dial, 0 to 99,999: the same on every instance with the same salt. */
  point(id: string): number;
  /** Whether the dial at `percent` takes it in; who is in at 10 is in at 50, nobody at 0, everybody at 100. */
  holds(id: string, percent: number): boolean;
}

export function createBucket(salt = "sluice"): Bucket {
  const seed = hash32(salt, 0x811c9dc5);
  const point = (id: string) => hash32(id, seed) % POINTS;
  return {
    point,
    holds: (id, percent) => percent >= 100 || (percent > 0 && point(id) < (percent * POINTS) / 100),
  };
}
