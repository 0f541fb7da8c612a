import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { brotliCompress, brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";

/** An answer as it goes over the wire, made once for each version of what it tells. */
export interface Answer {
  readonly type: string;
  readonly etag: string;
  /** Of what it was made from; "" when that has none. */
  readonly version: string;
  /** Of the body when it is not packed. */
  readonly length: number;
  /** One of the two at least. */
  readonly raw?: Buffer;
  readonly br?: Buffer;
}

export interface MakeOptions {
  type?: string;
  version?: string;
  /** Bodies of at least so many bytes are packed, if that makes them smaller; never, when it is Infinity. */
  packFrom?: number;
}

const jsonType = "application/json; charset=utf-8";

/** Below, packing saves no packet. */
const worthPacking = 1_000;
/** Packing more than this holds up other requests for longer than the way to another thread costs. */
const asideFrom = 128 * 1_024;
const quality = 2;
const brotli = promisify(brotliCompress);

/** The weak tag that Express itself gives this body. */
function etagOf(body: Buffer): string {
  const hash = createHash("sha1").update(body).digest("base64").slice(0, 27);
  return `W/"${body.length.toString(16)}-${hash}"`;
}

async function pack(raw: Buffer): Promise<Buffer | undefined> {
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length };
  const packed = raw.length < asideFrom ? brotliCompressSync(raw, { params }) : await brotli(raw, { params });
  return packed.length < raw.length * 0.9 ? packed : undefined;
}

export async function makeAnswer(body: string | Buffer, options: MakeOptions = {}): Promise<Answer> {
  const { type = jsonType, version = "", packFrom = worthPacking } = options;
  const raw = typeof body === "string" ? Buffer.from(body) : body;
  const br = raw.length >= packFrom ? await pack(raw) : undefined;
  return { type, etag: etagOf(raw), version, length: raw.length, raw, ...(br && { br }) };
}

/** The body as it is. */
export function rawOf({ raw, br }: Answer): Buffer {
  if (raw) return raw;
  return br ? brotliDecompressSync(br) : Buffer.alloc(0);
}

/** What it takes of memory. */
export const bytesOf = ({ raw, br, etag, version, type }: Answer): number =>
  (raw?.length ?? 0) + (br?.length ?? 0) + etag.length + version.length + type.length + 200;
