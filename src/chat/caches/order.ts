/** As MongoDB compares text: by bytes of UTF-8, which UTF-16 orders otherwise only beyond its first plane. */
export function byText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one === other) continue;
    const [high, low] = [one >= 0xd800 && one < 0xe000, other >= 0xd800 && other < 0xe000];
    return high === low ? one - other : high ? 1 : -1;
  }
  return a.length - b.length;
}

/** Absent ones first, as MongoDB has it. */
export function byNumber(a: number | null, b: number | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  return b === null ? 1 : a - b;
}
