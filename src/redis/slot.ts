/** CRC16 (XMODEM), as Redis Cluster counts it. */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** What decides the slot: the first `{tag}` that is not empty, else the whole key. */
function tagOf(key: Buffer): Buffer {
  const open = key.indexOf(0x7b);
  if (open < 0) return key;
  const close = key.indexOf(0x7d, open + 1);
  return close > open + 1 ? key.subarray(open + 1, close) : key;
}

/** The slot of a key, 0 to 16383. */
export function slotOf(key: string | Buffer): number {
  let crc = 0;
  for (const byte of tagOf(typeof key === "string" ? Buffer.from(key) : key))
    crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] ?? 0);
  return crc & 0x3fff;
}
