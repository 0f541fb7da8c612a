/** Chance that can be repeated: the seed is printed, and taken from SEED when it is set. */
export function createChance(seed = Number(process.env.SEED ?? Date.now() % 1_000_000)) {
  let state = seed >>> 0;
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    below: (n: number) => Math.floor(next() * n),
    hit: (share: number) => next() < share,
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
  };
}
