import type { RequestListener } from "node:http";
import type { Db } from "mongodb";
import type { CacheBus } from "../../cache/bus-types.ts";
import type { Limiter } from "../../kernel/limiter.ts";
import type { Log } from "../../kernel/log.ts";
import type { WatchCollection, Watcher } from "../../mongo/watch.ts";
import type { Feeds } from "../services/feeds.ts";
import type { ChatServices } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Standings } from "../standings.ts";
import { rememberAccess } from "./access.ts";
import type { ChatAnswers } from "./answers.ts";
import { createCounting } from "./counting.ts";
import { frontHeaders } from "./front.ts";
import { createHot, type HotOptions } from "./handler.ts";
import {
  createRevocations,
  followSessions,
  followStandings,
  revokingGate,
  revokingModeration,
  revokingUsers,
  type SessionNews,
} from "./revocations.ts";
import { createTargets } from "./targets.ts";
import { createVerifiedTokens, tokenLifeMs, type VerifiedTokens } from "./verified.ts";

export interface HotSideOptions {
  config: { TTL_CHANNELS: number; TTL_SESSIONS: number };
  bus: CacheBus;
  db: Db;
  watch: WatchCollection;
  feeds: Pick<Feeds, "standings">;
  standings: Standings;
  sessions: SessionNews;
  log: Log;
}

interface ServeOptions {
  config: { PORT: number; NODE_ENV: string };
  origins: readonly string[];
  answers: ChatAnswers;
  services: Pick<ChatServices, "channels">;
  limiter?: Limiter | undefined;
  timer: HotOptions["timer"];
  next: RequestListener;
}

/** What is answered ahead of everything else, and what makes that safe. */
export interface HotSide {
  readonly verified: VerifiedTokens;
  /** Tells of channels that others may enter from now on. */
  readonly access: Watcher;
  gate(gate: SessionGate): SessionGate;
  services(services: ChatServices): ChatServices;
  serve(options: ServeOptions): RequestListener;
  close(): Promise<void>;
}

/** Longer than Redis may take; whoever needs MongoDB goes the long way after that. */
const patienceMs = 300;

export function createHotSide({ config, bus, db, watch, feeds, standings, sessions, log }: HotSideOptions): HotSide {
  const closing: (() => Promise<void>)[] = [];
  // Without a replica set there is no stream to be behind, and the tokens' own short life must do.
  const deaf = () => changes.reason === "no replica set";
  const verified = createVerifiedTokens({
    heard: () => bus.well && ((changes.live && sessions.live()) || deaf()),
    lifeMs: () => tokenLifeMs(config.TTL_SESSIONS * 1_000, !deaf()),
  });
  const changes = followStandings(feeds, verified);
  const revocations = createRevocations(bus, verified, standings);
  followSessions(sessions, verified);
  const access = rememberAccess({ db, watch, longestMs: config.TTL_CHANNELS * 1_000, log });
  closing.push(
    () => changes.close(),
    () => access.close(),
  );

  return {
    verified,
    access: access.stream,
    gate: (gate) => revokingGate(gate, revocations),
    services: (services) => ({
      ...services,
      channels: access.channels(services.channels),
      users: revokingUsers(services.users, revocations),
      moderation: revokingModeration(services.moderation, revocations),
    }),
    serve({ config, origins, answers, services, limiter, timer, next }) {
      const counting = limiter && createCounting({ limiter });
      if (counting) closing.push(() => counting.close());
      return createHot({
        targetOf: createTargets(answers, services.channels),
        verified,
        ...(counting && { counting }),
        headers: frontHeaders({ port: config.PORT, production: config.NODE_ENV === "production", origins }),
        timer,
        patienceMs,
        next,
        log,
      });
    },
    async close() {
      await Promise.all(closing.map((close) => close()));
    },
  };
}
