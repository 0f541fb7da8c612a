import type { IncomingMessage, ServerResponse } from "node:http";
import type { Histogram, Registry } from "prom-client";
import { histogram } from "./series.ts";

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const caches = new Set(["l1", "redis", "mongo", "bypass"]);
// Routes are patterns and few; should that ever be wrong, memory must not pay for it.
const mostRoutes = 200;

/** A request and its response, as far as the timer looks at them; Express's are a case of it. */
type Request = IncomingMessage & { originalUrl?: string; route?: { path?: unknown } };
type Response = ServerResponse & { locals?: Record<string, unknown> };
export type HttpTimer = (req: Request, res: Response, next: () => void) => void;

const segments = (path: string) => path.split("/").filter(Boolean);

/** The pattern with what it is mounted under; that part of the address was matched literally. */
function withMount(url: string, pattern: string): string {
  const asked = segments(url.split("?")[0] ?? "");
  const mount = asked.slice(0, Math.max(0, asked.length - segments(pattern).length));
  return `/${[...mount.map((part) => part.toLowerCase()), ...segments(pattern)].join("/")}`;
}

/** The pattern of the route that answered, never the address itself. A handler outside of a router sets `res.locals.route`. */
export function routeOf(req: Request, res: Response): string {
  if (typeof res.locals?.route === "string") return res.locals.route;
  const path = req.route?.path;
  if (typeof path === "string" && !path.includes("*")) return withMount(req.originalUrl ?? req.url ?? "", path);
  return res.statusCode === 404 ? "unmatched" : "other";
}

function cacheOf(res: Response): string {
  const header = res.locals?.cache ?? res.getHeader("X-Cache");
  return typeof header === "string" && caches.has(header) ? header : "none";
}

function httpDurations(registry: Registry): Histogram<"route" | "method" | "code" | "cache"> {
  return histogram({
    registry,
    name: "chat_http_request_duration_seconds",
    help: "Time until a request was answered, by route; code is `aborted` when its client went away first.",
    labels: { route: [], method: [], code: [], cache: [] },
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  });
}

/** Times every request that passes it; to be mounted ahead of everything. Who was ahead of that says when it `began`. */
export function createHttpTimer(registry: Registry): HttpTimer {
  const durations = httpDurations(registry);
  const routes = new Set<string>();
  const bounded = (route: string) => {
    if (routes.size < mostRoutes) routes.add(route);
    return routes.has(route) ? route : "other";
  };
  return function httpTimer(req, res, next) {
    const began = Number(res.locals?.began ?? performance.now());
    res.once("close", () => {
      const labels = {
        route: bounded(routeOf(req, res)),
        method: methods.has(req.method ?? "") ? (req.method ?? "") : "other",
        code: res.writableFinished ? String(res.statusCode) : "aborted",
        cache: cacheOf(res),
      };
      durations.observe(labels, (performance.now() - began) / 1_000);
    });
    next();
  };
}
