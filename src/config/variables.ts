import {
  decimal,
  duration,
  flag,
  hosts,
  integer,
  type Kind,
  keyText,
  limit,
  list,
  oneOf,
  sentinel,
  text,
  ttl,
  url,
} from "./kinds.ts";

export interface Variable<T> {
  kind: Kind<T>;
  /** As it would be written in the environment; "" means not set. */
  default: string;
  /** One line of meaning, shown in `.env.example` and the reference. */
  doc: string;
  /** Never shown; may also be given as a file by `NAME_FILE`. */
  secret?: true;
  /** Other names the same variable answers to. */
  aliases?: string[];
}

function variable<T>(
  kind: Kind<T>,
  fallback: string,
  doc: string,
  more: Pick<Variable<T>, "secret" | "aliases"> = {},
): Variable<T> {
  return { kind, default: fallback, doc, ...more };
}

/** In seconds: shops and the like keep somebody logged in for a year, and a token lives as long as its session. */
const longestLife = 365 * 86_400;

/** Every variable the product reads, by group; `.env.example` and the reference are held equal to this table. */
export const groups = {
  Server: {
    NODE_ENV: variable(
      oneOf("development", "production", "test"),
      "development",
      "Production refuses generated secrets and embedded databases.",
    ),
    HOST: variable(text, "127.0.0.1", "Address to listen on; 0.0.0.0 for every interface."),
    PORT: variable(integer(0, 65_535), "3001", "Port to listen on; 0 takes a free one."),
    ALLOWED_ORIGINS: variable(
      list,
      "",
      "Origins of the web clients, comma separated. Empty: http://localhost:3000 and :3003, and none in production.",
    ),
    TRUST_PROXY: variable(
      integer(0, 10),
      "0",
      "How many reverse proxies stand in front (for client addresses and Secure cookies).",
    ),
    LOG_LEVEL: variable(oneOf("silent", "error", "warn", "info", "debug"), "info", "How much is logged."),
    REQUEST_TIMEOUT: variable(duration(100, 60_000), "4500ms", "After this a request still unanswered gets 503."),
    SHUTDOWN_TIMEOUT: variable(duration(500, 60_000), "9s", "Everything is closed within this after SIGTERM."),
    MIGRATE_ON_START: variable(flag, "true", "Bring the database's indexes up to date at start."),
  },
  MongoDB: {
    MONGODB_URL: variable(
      url("mongodb", "mongodb+srv"),
      "",
      "MongoDB with its database name. Empty: an embedded one (never in production).",
      { secret: true, aliases: ["MONGODB_URI"] },
    ),
    MONGODB_TIMEOUT: variable(duration(100, 60_000), "3s", "A MongoDB operation not answered by then has failed."),
    MONGODB_POOL: variable(integer(1, 1_000), "50", "Most connections to MongoDB per process."),
  },
  Embedded: {
    DATA_DIR: variable(text, ".sluice", "Where embedded databases and generated secrets are kept."),
    CACHE_DIR: variable(text, "", "Where database programs are unpacked. Empty: ~/.cache/sluice."),
    MONGOMS_SYSTEM_BINARY: variable(text, "", "A mongod to use for the embedded MongoDB."),
    EMBEDDED_DOWNLOAD_TIMEOUT: variable(
      duration(1_000, 600_000),
      "15s",
      "One way of getting a database program takes at most this long.",
    ),
  },
  Redis: {
    REDIS_URL: variable(
      url("redis", "rediss"),
      "",
      "One Redis server, e.g. redis://user:password@host:6379/0; rediss:// for TLS.",
      {
        secret: true,
      },
    ),
    REDIS_HOST: variable(text, "", "Instead of REDIS_URL: the host."),
    REDIS_PORT: variable(integer(1, 65_535), "6379", "Port, with REDIS_HOST."),
    REDIS_DB: variable(integer(0, 1_000), "0", "Database number, but for a cluster, unless REDIS_URL has one."),
    REDIS_USERNAME: variable(text, "", "ACL user, unless REDIS_URL has one."),
    REDIS_PASSWORD: variable(text, "", "Password, unless REDIS_URL has one.", { secret: true }),
    REDIS_SENTINEL: variable(sentinel, "", "Sentinels: mymaster@host:26379,host:26379,… or mymaster,host:26379,…"),
    REDIS_SENTINEL_USERNAME: variable(text, "", "ACL user at the sentinels themselves; empty: their default user."),
    REDIS_SENTINEL_PASSWORD: variable(text, "", "Password at the sentinels themselves.", { secret: true }),
    REDIS_CLUSTER: variable(hosts, "", "Nodes of a Redis Cluster: host:6379,host:6379,…"),
    REDIS_TLS: variable(flag, "false", "TLS to Redis; rediss:// in REDIS_URL says the same."),
    REDIS_CA_FILE: variable(text, "", "Certificate authority that signed Redis's certificate."),
    DISABLE_REDIS: variable(flag, "false", "Kill switch: no command goes to Redis, everything is served by MongoDB."),
    REDIS_DEADLINE: variable(duration(5, 10_000), "100ms", "A Redis command not answered by then is given up."),
    REDIS_REQUEST_BUDGET: variable(duration(5, 10_000), "200ms", "All Redis waits of one request together."),
    REDIS_WATCHDOG: variable(duration(10, 10_000), "250ms", "A reply outstanding for longer opens the breaker."),
    REDIS_CONNECT_TIMEOUT: variable(duration(50, 30_000), "1s", "One attempt to connect."),
    REDIS_BACKOFF_MAX: variable(duration(50, 30_000), "1s", "Longest pause between two attempts to connect."),
    REDIS_POOL: variable(integer(1, 64), "2", "Connections for blocking or heavy work."),
  },
  Sessions: {
    SESSION_SECRET: variable(
      text,
      "",
      "Signs the session cookie; comma separated to rotate, newest first. Required in production.",
      {
        secret: true,
      },
    ),
    SESSION_COOKIE: variable(
      text,
      "chatSession",
      "Name of the session cookie; a __Host- prefix is kept when NODE_ENV=production.",
    ),
    SESSION_COLLECTION: variable(text, "sessions", "Collection of connect-mongo."),
    SESSION_PREFIX: variable(
      keyText,
      "session:",
      "What the keys of sessions in Redis begin with; for the commands beside an app, the `prefix` of its store.",
    ),
    TTL_SESSIONS: variable(integer(1, longestLife), "86400", "Life of a session, in seconds."),
    SESSION_REDIS_MODE: variable(
      oneOf("off", "shadow", "serve"),
      "serve",
      "off: sessions never touch Redis; shadow: copies are compared, MongoDB answers; serve: the dial counts. Ignored once a setting was changed at run time.",
    ),
    SESSION_REDIS_PERCENT: variable(
      decimal(0, 100),
      "0",
      "Where the dial stands: the share of sessions that Redis answers for. Ignored once a setting was changed at run time.",
    ),
    SESSION_STEP_DOWN: variable(flag, "on", "off: the dial never steps down by itself."),
    SESSION_STEP_DOWN_WINDOW: variable(
      duration(100, 600_000),
      "10s",
      "What the dial steps down for is counted over so long.",
    ),
    SESSION_STEP_DOWN_ERRORS: variable(
      decimal(0, 100),
      "5",
      "Percent of the reads from Redis that may have no answer in time before the dial steps down.",
    ),
    SESSION_STEP_DOWN_LATENCY: variable(
      duration(1, 10_000),
      "50ms",
      "When 5 % of the reads from Redis take longer, the dial steps down.",
    ),
    SESSION_STEP_DOWN_MISSING: variable(
      decimal(0, 100),
      "5",
      "Percent of the requests with a well signed cookie that may find no session before the dial steps down.",
    ),
  },
  Authentication: {
    JWT_SECRET: variable(text, "", "Signs the tokens (HS256). Required in production.", { secret: true }),
    JWT_TTL: variable(duration(1_000, longestLife * 1_000), "24h", "Life of a token."),
    PASSWORD_COST: variable(integer(4, 15), "12", "bcrypt cost; below 10 only when NODE_ENV=test."),
  },
  Limits: {
    RATE_LIMITS: variable(flag, "on", "off: no rate limits at all (for tests)."),
    RATE_LIMIT_REGISTER: variable(limit, "20/15m", "Registrations per address."),
    RATE_LIMIT_LOGIN: variable(limit, "30/15m", "Logins per address."),
    RATE_LIMIT_LOGIN_FAILURES: variable(limit, "10/15m", "Failed logins per account and address."),
    RATE_LIMIT_API: variable(limit, "1200/15m", "API requests per user."),
    RATE_LIMIT_CHANNELS: variable(limit, "30/1h", "New channels per user."),
    RATE_LIMIT_EVENTS: variable(limit, "120/10s", "Socket events per user that make the server work."),
    RATE_LIMIT_CONSOLE: variable(
      limit,
      "10/15m",
      "Wrong tokens at the console per address; not turned off by RATE_LIMITS.",
    ),
    BODY_LIMIT_KB: variable(integer(1, 10_240), "32", "Largest JSON body, in kB."),
    SOCKET_PAYLOAD_KB: variable(
      integer(1, 10_240),
      "1536",
      "Largest socket packet, in kB; larger closes the connection.",
    ),
    SOCKET_BUFFER_KB: variable(
      integer(64, 1_048_576),
      "4096",
      "What may wait for a client that reads slowly, in kB; more ends its connection.",
    ),
    SOCKETS_PER_USER: variable(integer(1, 10_000), "20", "Most sockets of one user per process."),
  },
  Caches: {
    CACHES: variable(
      flag,
      "on",
      "off: what the chat reads is not kept in Redis. Each cache's own switch, turned at run time, goes before it.",
    ),
    TTL_USERS: variable(ttl, "300", "Life of the list of users in Redis, in seconds."),
    TTL_CHANNELS: variable(ttl, "300", "Life of the list of channels in Redis, in seconds."),
    TTL_MESSAGES: variable(ttl, "60", "Life of a channel's newest messages in Redis, in seconds."),
    TTL_WHISPERS: variable(ttl, "300", "Life of the list of who whispers in a channel in Redis, in seconds."),
    TTL_EMOJI: variable(ttl, "86400", "Life of the counts of emoji in Redis, in seconds."),
    CACHE_LEASE: variable(duration(100, 60_000), "3s", "Who fills a cache has so long before another may."),
    CACHE_WAIT: variable(duration(0, 10_000), "250ms", "A request waits so long for who fills, then asks MongoDB."),
    CACHE_LOADS: variable(integer(1, 1_000), "16", "Loads from MongoDB for caches at once, per process."),
    CACHE_AUDIT: variable(decimal(0, 100), "1", "Percent of the answers from Redis that are compared with MongoDB."),
    CACHE_L1_MB: variable(
      integer(0, 65_536),
      "64",
      "What a process keeps of the caches in its own memory, in MB; 0: nothing.",
    ),
    BUS_HEARTBEAT: variable(duration(20, 10_000), "300ms", "Instances give each other a sign of life this often."),
    BUS_SILENCE: variable(
      duration(100, 60_000),
      "1s",
      "Without a sign of life for so long, nothing that a process keeps in its own memory is used.",
    ),
    CACHE_WARM_UP: variable(flag, "on", "Fill the caches at the start, and one by one after an outage of Redis."),
  },
  Chat: {
    HISTORY_LIMIT: variable(integer(20, 50), "50", "Messages in a channel's history."),
    MESSAGE_LENGTH: variable(integer(1, 2_000), "2000", "Longest message."),
  },
  Realtime: {
    PRESENCE_GRACE: variable(duration(0, 60_000), "4s", "A user who comes back within this never left."),
    PRESENCE_LEASE: variable(duration(100, 120_000), "12s", "An instance silent for longer is taken for dead."),
    PRESENCE_BEAT: variable(duration(20, 30_000), "4s", "Each instance says this often that it lives."),
    TTL_ONLINE: variable(ttl, "30", "Life of the set of online users in Redis without a beat, in seconds."),
    TTL_MEMBERS: variable(ttl, "120", "Life of the set of a channel's members in Redis without a beat, in seconds."),
    ROOM_LIST_INTERVAL: variable(duration(10, 10_000), "1s", "A room hears of its members at most this often."),
    DRAIN_TIME: variable(duration(0, 30_000), "3s", "Sockets are sent away spread over this when the server stops."),
  },
  Operations: {
    SERVER_ID: variable(
      text,
      "",
      "Name of this instance in metrics, health and history. Empty: one made of host name and port.",
    ),
    INSTANCE_REPORT: variable(
      duration(20, 60_000),
      "1s",
      "Each instance tells the others this often where it stands; one that is silent for five times as long counts as gone.",
    ),
    OPS_TOKEN: variable(
      text,
      "",
      "Lets its holder into the console at /ops; in production at least 16 characters. Empty: no console in production, else one token is made for this machine.",
      { secret: true },
    ),
    OPS_READ_TOKEN: variable(text, "", "Lets its holder look at the console and change nothing.", { secret: true }),
    METRICS_TOKEN: variable(
      text,
      "",
      "Bearer token for /metrics, asked of everybody once it is set. Empty: only this machine may read it.",
      { secret: true },
    ),
    METRICS_PUBLIC: variable(
      flag,
      "false",
      "Without METRICS_TOKEN: true lets everybody read /metrics; false only who connects from this machine past any proxy, nobody when TRUST_PROXY is set.",
    ),
  },
} as const satisfies Record<string, Record<string, Variable<unknown>>>;

type Groups = typeof groups;
type Variables = { [G in keyof Groups]: Groups[G] }[keyof Groups];
type Union<T> = (T extends unknown ? (x: T) => void : never) extends (x: infer R) => void ? R : never;
type All = Union<Variables>;

export type VariableName = keyof All;
export type Values = { readonly [N in VariableName]: All[N] extends Variable<infer T> ? T : never };

export const variables = Object.assign({}, ...Object.values(groups)) as Record<VariableName, Variable<unknown>>;
