import type { IncomingMessage, ServerResponse } from "node:http";
import express, { type RequestHandler, Router } from "express";
import helmet from "helmet";
import { errorAnswers, refuse } from "./answers.ts";
import { type ChangesOptions, changeRoutes, explainRoute } from "./changes.ts";
import { createDoors, type DoorsOptions } from "./doors.ts";
import { createJobs, type SessionTools } from "./jobs.ts";
import { createLive } from "./live.ts";
import { createPasses, type PassesOptions } from "./passes.ts";
import { createLook, type StateOptions } from "./state.ts";

export interface ConsoleOptions
  extends Omit<ChangesOptions, "jobs" | "caches">,
    Omit<StateOptions, "jobs" | "settings" | "acts">,
    Pick<PassesOptions, "tokens" | "secrets">,
    Pick<DoorsOptions, "attempts" | "keyOf" | "log"> {
  config: { NODE_ENV: string; TRUST_PROXY: number };
  tools: SessionTools;
  /** The page and what belongs to it. */
  pages: RequestHandler;
}

type ConsoleHandler = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

export interface OperatorConsole {
  /** Answers everything below `/ops`, and leaves the rest to `next`. */
  readonly handler: ConsoleHandler;
  close(): Promise<void>;
}

const isOurs = ({ url = "" }: IncomingMessage) => /^\/ops(?:[/?]|$)/i.test(url);

function headers(secure: boolean): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        objectSrc: ["'none'"],
      },
    },
    strictTransportSecurity: secure,
    xFrameOptions: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
  });
}

/** The page by which people operate the chat, and what it is made of. */
export function createConsole(options: ConsoleOptions): OperatorConsole {
  const { config, settings, caches, clock, log } = options;
  const secure = config.NODE_ENV === "production";
  const passes = createPasses(options);
  const doors = createDoors({ ...options, passes, secure });
  const jobs = createJobs(options);
  let acts = 0;
  const deaf = settings.events.on("act", () => {
    acts += 1;
  });
  const live = createLive({ look: createLook({ ...options, jobs, acts: () => acts }), clock, log });

  const api = Router();
  api.use((_req, res, next) => {
    res.set("Cache-Control", "no-store");
    next();
  });
  api.post("/{*path}", doors.ownPage, express.json({ limit: "16kb" }));
  api.post("/login", doors.logIn);
  api.post("/logout", doors.logOut);
  api.get("/session", doors.whoIsIn);
  api.use(doors.mayRead);
  api.get("/events", live.watch);
  api.get("/history", async (_req, res) => void res.json(await settings.history(100)));
  const changing = { ...options, caches: new Set(caches.all.keys()), jobs };
  api.get("/cache", explainRoute(changing));
  api.use(doors.mayChange);
  api.use(changeRoutes(changing));

  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", config.TRUST_PROXY);
  app.use(headers(secure));
  app.use("/ops/api", api);
  app.use("/ops", options.pages);
  app.use((_req, res) => refuse(res, 404, "NOT_FOUND", "There is nothing here."));
  app.use(errorAnswers(log));

  return {
    handler: (req, res, next) => (isOurs(req) ? app(req, res) : next()),
    async close() {
      deaf();
      live.close();
      await jobs.close();
    },
  };
}

/** Where there is no token to let anybody in: nothing is served, not even the page. */
export function closedConsole(): OperatorConsole {
  const text = JSON.stringify({ error: "Endpoint not found", message: "Endpoint not found", code: "NOT_FOUND" });
  return {
    handler(req, res, next) {
      if (!isOurs(req)) return next();
      res.writeHead(404, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
      res.end(text);
    },
    close: async () => undefined,
  };
}
