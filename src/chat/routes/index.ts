import { join } from "node:path";
import express, { type CookieOptions, type Express, Router } from "express";
import session from "express-session";
import "./session-types.ts";
import type { RequestHandler } from "express";
import type { Log } from "../../kernel/log.ts";
import type { ChatAnswers } from "../hot/answers.ts";
import type { VerifiedTokens } from "../hot/verified.ts";
import type { ChatServices, SocketLinks } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Standings } from "../standings.ts";
import { adminRoutes } from "./admin.ts";
import { errorAnswers, notFound, unavailable } from "./answers.ts";
import { channelRoutes } from "./channels.ts";
import { clientPages } from "./client.ts";
import { emojiRoutes } from "./emoji.ts";
import { answerInTime, cors, jsonBody, rememberPlainEnd, securityHeaders } from "./front.ts";
import { createGuard } from "./guard.ts";
import { byUser, type DoorLimits, limited } from "./limits.ts";
import { loginRoutes } from "./login.ts";
import { logoutRoutes } from "./logout.ts";
import { createOpenSession } from "./open-session.ts";
import { createTokens } from "./tokens.ts";
import { keepTrail } from "./trail.ts";
import { userRoutes } from "./users.ts";

interface Config {
  NODE_ENV: string;
  PORT: number;
  TRUST_PROXY: number;
  REQUEST_TIMEOUT: number;
  BODY_LIMIT_KB: number;
  SESSION_COOKIE: string;
  TTL_SESSIONS: number;
  JWT_TTL: number;
}

export interface ChatHttpOptions {
  config: Config;
  origins: readonly string[];
  secrets: { jwt: string; session: string[] };
  services: ChatServices;
  standings: Standings;
  gate: SessionGate;
  links: SocketLinks;
  /** Ids of who is online now. */
  online: () => Promise<string[]>;
  limits: DoorLimits;
  answers: ChatAnswers;
  /** Absent: every token is looked up each time. */
  verified?: VerifiedTokens;
  log: Log;
  /** Answered before sessions and limits: health, metrics. */
  ahead: readonly RequestHandler[];
  /** The folder of the web client; `docs` lies beside it. */
  publicDir: string;
}

export function createChatHttp(options: ChatHttpOptions): Express {
  const { config, services, standings, gate, links, limits, answers, verified, log } = options;
  const production = config.NODE_ENV === "production";
  const tokens = createTokens(options.secrets.jwt, config.JWT_TTL);
  const guard = createGuard({ tokens, gate, standings, ...(verified && { verified }) });
  const openSession = createOpenSession({ gate, tokens, links, ttlSeconds: config.TTL_SESSIONS });
  const cookie: CookieOptions = { path: "/", httpOnly: true, sameSite: "lax", secure: production };

  const api = Router();
  api.use(jsonBody(config.BODY_LIMIT_KB));
  // No cache on the way keeps tokens or people; answers that browsers may hold and ask about say so themselves.
  api.use((_req, res, next) => {
    res.set("Cache-Control", "no-store");
    next();
  });
  api.use(limited(limits.api, byUser(tokens)));
  api.use(
    session({
      store: gate.store,
      name: config.SESSION_COOKIE,
      secret: options.secrets.session,
      resave: false,
      saveUninitialized: false,
      rolling: false,
      unset: "destroy",
      proxy: config.TRUST_PROXY > 0,
      cookie: { ...cookie, maxAge: config.TTL_SESSIONS * 1000 },
    }),
  );
  api.use(keepTrail(log, byUser(tokens)));
  api.use(loginRoutes({ accounts: services.accounts, links, limits, openSession }));
  api.use(
    logoutRoutes({
      guard,
      gate,
      users: services.users,
      links,
      cookie: { name: config.SESSION_COOKIE, options: cookie },
    }),
  );
  api.use(
    channelRoutes({
      guard,
      channels: services.channels,
      list: answers.channels,
      messages: services.messages,
      histories: answers.histories,
      making: limited(limits.channels, byUser(tokens)),
    }),
  );
  api.use(userRoutes({ guard, users: services.users, list: answers.users, online: options.online }));
  api.use(emojiRoutes({ guard, emoji: services.emoji }));
  api.use("/admin", adminRoutes({ guard, moderation: services.moderation, gate, links }));

  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", config.TRUST_PROXY);
  app.use(rememberPlainEnd, answerInTime(config.REQUEST_TIMEOUT, unavailable));
  for (const handler of options.ahead) app.use(handler);
  app.use(securityHeaders(config.PORT, production), cors(options.origins));
  app.use("/api", api);
  const reference = (file: string) => join(options.publicDir, "../docs/api", file);
  app.use(
    clientPages(options.publicDir, {
      "/api-docs.json": reference("openapi.json"),
      "/api-docs/sockets.json": reference("asyncapi.json"),
    }),
  );
  app.use(notFound, errorAnswers(log));
  return app;
}
