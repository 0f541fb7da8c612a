import "../stage/orphan.ts";
import { brotliDecompressSync } from "node:zlib";
import { isJudged, openJudge } from "../../drills/judge/judge.ts";
import { createConnection, type Reply } from "../stage/connection.ts";
import { quantile } from "../support/sums.ts";

/** One round of requests; the process that makes them does nothing else. */
export interface Order {
  port: number;
  mongoUrl: string;
  tokens: string[];
  /** Asked for by lot, each as often as it stands here. */
  paths: string[];
  connections: number;
  ms: number;
  headers?: Record<string, string>;
  /** What one has is not sent again. */
  conditional?: boolean;
  check: boolean;
}

export interface Result {
  perSecond: number;
  requests: number;
  statuses: Record<string, number>;
  sources: Record<string, number>;
  megabytes: number;
  p50: number;
  p99: number;
  /** Answers that were compared with MongoDB, and what was wrong with some. */
  checked: number;
  wrong: string[];
}

const checkEveryMs = 250;

/** From the first order that is to be checked until this process ends, so that it knows what was before a round began. */
let judging: ReturnType<typeof openJudge> | undefined;

/** What one has of each path of a server: from round to round, so that it is out of date when the next begins. */
const kept = new Map<number, Map<string, Reply>>();

async function perform(order: Order): Promise<Result> {
  if (order.check) judging ??= openJudge(order.mongoUrl);
  const judge = await judging;
  const statuses: Record<string, number> = {};
  const sources: Record<string, number> = {};
  const latencies: number[] = [];
  const wrong: string[] = [];
  const { port, conditional = false } = order;
  const had = kept.get(port) ?? new Map<string, Reply>();
  kept.set(port, had);
  let bytes = 0;
  let checked = 0;
  let requests = 0;
  let nextCheck = performance.now() + checkEveryMs;
  const checks: Promise<void>[] = [];
  const count = (of: Record<string, number>, name: string) => {
    of[name] = (of[name] ?? 0) + 1;
  };

  async function verify(path: string, { packed, body: bytes }: Reply, asked: number): Promise<void> {
    const body = bytes && String(packed ? brotliDecompressSync(bytes) : bytes);
    const verdict = body && (await judge?.look(path, body, asked));
    if (!verdict || verdict === "unknown") return;
    checked += 1;
    if (verdict !== "right") wrong.push(`${path}: ${verdict.fault}`);
  }

  const plain = Object.entries(order.headers ?? {})
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  /** By path and name, each with the tag it was made for: to make one takes longer than to send it. */
  const made = new Map(order.paths.map((path) => [path, [] as { tag: string | undefined; request: Buffer }[]]));
  function requestOf(path: string, n: number, tag: string | undefined): Buffer {
    const known = made.get(path)?.[n];
    if (known && known.tag === tag) return known.request;
    const condition = tag ? `If-None-Match: ${tag}\r\n` : "";
    const who = `Host: bench\r\nAuthorization: Bearer ${order.tokens[n] ?? ""}`;
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\n${who}\r\n${plain}${condition}\r\n`);
    const ofPath = made.get(path);
    if (ofPath) ofPath[n] = { tag, request };
    return request;
  }

  const begun = performance.now();
  async function visit(first: number): Promise<void> {
    const connection = createConnection(port);
    for (let n = first; performance.now() < begun + order.ms; n += order.connections) {
      const path = order.paths[Math.floor(Math.random() * order.paths.length)] ?? "/";
      const mine = conditional ? had.get(path) : undefined;
      const request = requestOf(path, n % order.tokens.length, mine?.etag);
      const now = performance.now();
      const sample = order.check && now > nextCheck && isJudged(path);
      if (sample) nextCheck = now + checkEveryMs;
      const asked = Date.now();
      const reply = await connection.ask(request, sample || conditional);
      latencies.push(performance.now() - now);
      requests += 1;
      bytes += reply.bytes;
      count(statuses, String(reply.status));
      count(sources, reply.source || "none");
      if (reply.status === 200 && conditional) had.set(path, reply);
      // Who is told that nothing has changed shows what they have.
      const shown = reply.status === 304 ? mine : reply.status === 200 ? reply : undefined;
      if (sample && shown) checks.push(verify(path, shown, asked));
    }
    connection.close();
  }
  await Promise.all(Array.from({ length: order.connections }, (_, n) => visit(n)));
  const seconds = (performance.now() - begun) / 1_000;
  await Promise.all(checks);
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  const perSecond = requests / seconds;
  return { perSecond, requests, statuses, sources, megabytes: bytes / 1e6, p50, p99, checked, wrong };
}

process.on("message", (order: Order) => {
  perform(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
