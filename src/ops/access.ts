import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface MetricsAccess {
  METRICS_TOKEN: string;
  METRICS_PUBLIC: boolean;
  TRUST_PROXY: number;
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Takes equally long whatever is wrong with the one that was given. */
export const sameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected));

const loopback = /^(::1|(::ffff:)?127\.)/;
const forwarding = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Whether a request may read the metrics. With a token: who sends it. Without one: everybody when they are public, else
 * who asks from this machine itself. A proxy on this machine speaks for strangers, so what came through one is refused.
 */
export function metricsAccess(config: MetricsAccess): (req: IncomingMessage) => boolean {
  if (config.METRICS_TOKEN) {
    const expected = `Bearer ${config.METRICS_TOKEN}`;
    return (req) => sameSecret(req.headers.authorization ?? "", expected);
  }
  if (config.METRICS_PUBLIC) return () => true;
  if (config.TRUST_PROXY > 0) return () => false;
  return (req) =>
    loopback.test(req.socket.remoteAddress ?? "") && !forwarding.some((name) => req.headers[name] !== undefined);
}
