import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { type MetricsAccess, metricsAccess } from "./access.ts";
import type { Health, HealthAnswer } from "./health.ts";
import type { Metrics } from "./metrics.ts";

export interface OpsRouterOptions {
  health: Health;
  metrics: Pick<Metrics, "page">;
  config: MetricsAccess;
  clock: Clock;
  log: Log;
}

/** What Express hands to a handler, as far as this one looks at it; Node's own request and response do as well. */
type Request = IncomingMessage & { originalUrl?: string };
type Response = ServerResponse & { locals?: Record<string, unknown> };
export type OpsHandler = (req: Request, res: Response, next?: () => void) => void;

interface Reply {
  code: number;
  type: string;
  text: string;
  headers?: Record<string, string>;
}

type Page = (req: Request, query: URLSearchParams) => Promise<Reply> | Reply;

function json(code: number, body: object, type = "application/json; charset=utf-8"): Reply {
  return { code, type, text: JSON.stringify(body) };
}

const healthJson = ({ code, body }: HealthAnswer) => json(code, body, "application/health+json; charset=utf-8");
const isTrue = (text: string | null) => text !== null && !["0", "false", "no", "off"].includes(text);

function refused(withToken: boolean): Reply {
  const message = withToken
    ? "The metrics are for who sends METRICS_TOKEN as a bearer token"
    : "The metrics are for this machine; set METRICS_TOKEN or METRICS_PUBLIC to read them from elsewhere";
  const reply = json(withToken ? 401 : 403, { error: message, message });
  return withToken ? { ...reply, headers: { "WWW-Authenticate": "Bearer" } } : reply;
}

/** `/health…` and `/metrics`; to be mounted ahead of sessions and limits. Everything else is left to `next`. */
export function createOpsRouter({ health, metrics, config, clock, log }: OpsRouterOptions): OpsHandler {
  const mayRead = metricsAccess(config);
  const redis: Page = async (_req, query) => healthJson(await health.redis(isTrue(query.get("strict"))));
  const pages: Record<string, Page> = {
    "/health": () =>
      json(200, { status: "healthy", timestamp: new Date(clock.now()).toISOString(), uptime: process.uptime() }),
    "/health/live": () => healthJson(health.live()),
    "/health/ready": async () => healthJson(await health.ready()),
    "/health/redis": redis,
    "/api/health/redis": redis,
    "/metrics": async (req) => {
      if (!mayRead(req)) return refused(config.METRICS_TOKEN !== "");
      const { type, text } = await metrics.page();
      return { code: 200, type, text };
    },
  };
  const paths = new Map(Object.entries(pages));

  function send(req: Request, res: Response, { code, type, text, headers }: Reply): void {
    if (res.headersSent || res.destroyed) return;
    const length = Buffer.byteLength(text);
    res.writeHead(code, {
      ...headers,
      "Content-Type": type,
      "Content-Length": length,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    });
    res.end(req.method === "HEAD" ? undefined : text);
  }

  return function ops(req, res, next) {
    const [path = "/", query = ""] = (req.originalUrl ?? req.url ?? "/").split("?");
    const name = path.length > 1 ? path.replace(/\/$/, "") : path;
    const page = paths.get(name);
    if (!page || (req.method !== "GET" && req.method !== "HEAD")) {
      if (next) return next();
      return send(req, res, json(404, { error: "Endpoint not found", message: "Endpoint not found" }));
    }
    if (res.locals) res.locals.route = name;
    Promise.resolve()
      .then(() => page(req, new URLSearchParams(query)))
      .then((reply) => send(req, res, reply))
      .catch((error: unknown) => {
        log.error({ err: error, path: name }, `${name} failed`);
        send(req, res, json(500, { error: "Internal server error", message: "Internal server error" }));
      });
  };
}
