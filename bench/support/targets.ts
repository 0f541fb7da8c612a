import { mostBeyond, mostRto } from "../../drills/restore/judge.ts";

/** One thing that was promised, and the figure that shows how far it holds. */
export interface Target {
  readonly says: string;
  /** `bench cache`: which report, and which of its figures. */
  readonly of: string;
  readonly figure: string;
  readonly target: number;
  readonly atMost?: true;
  /** The shorter form is too small to answer it. */
  readonly whole?: true;
  /** Of how many: another figure of the same report. */
  readonly among?: string;
  /** What is in the way, where it is missed. */
  readonly why?: string;
}

const least = (says: string, of: string, figure: string, target: number): Target => ({ says, of, figure, target });
const most = (says: string, of: string, figure: string, target: number): Target => ({
  ...least(says, of, figure, target),
  atMost: true,
});
const atSize = (target: Target): Target => ({ ...target, whole: true });

/** What the page of measurements answers, in its order. */
export const targets: Readonly<Record<string, readonly Target[]>> = {
  "Redis in front of the chat": [
    least("hit rate over 80 %", "bench mixed", "hit rate", 80),
    most("memory of Redis under 70 % of what it is given", "bench mixed", "memory of Redis, of 256 MB", 70),
    most("under 1,000 connections to Redis", "bench mixed", "connections to Redis", 1_000),
    most("a GET under 5 ms", "bench redis-door", "GET through the door, p99", 5),
    most("a SET under 20 ms", "bench redis-door", "SET through the door, p99", 20),
    least("a cached answer 2–5 times as fast", "bench cache", "/api/channels with L1 off", 2),
    least("the list of users 10 times as fast", "bench cache", "/api/users with L1 off", 10),
    least("a history 20 times as fast", "bench cache", "/api/channels/channel-0/messages with L1 off", 20),
    least("3 times the throughput of the API", "bench cache", "mixed lists and histories, requests per second", 3),
    least("70 % fewer reads of MongoDB", "bench mixed", "fewer reads of MongoDB", 70),
  ],
  "One cache for several servers": [
    least("hit rate of 90 %", "bench mixed", "hit rate", 90),
    {
      ...most("a hit within 10 ms", "bench mixed", "a hit, p99", 10),
      why: "the people, their server, MongoDB and Redis share the processors of one machine",
    },
    least("80 % fewer reads of the database", "bench mixed", "fewer reads of MongoDB", 80),
    atSize(least("1,000 people at once", "bench mixed", "people connected at once", 1_000)),
    least("several instances, one chat", "drill realtime", "instances", 3),
  ],
  "Alarms that must not ring": [
    least("hit rate over 85 %", "bench mixed", "hit rate", 85),
    most("an answer under 100 ms on average", "bench mixed", "an answer, mean", 100),
    most("memory of Redis under 80 %", "bench mixed", "memory of Redis, of 256 MB", 80),
  ],
  "The door to Redis": [
    ...["GET", "SET", "HVALS", "HINCRBY", "GET in a request"].map((name) => ({
      ...least(`${name}: 95 % of bare node-redis`, "bench redis-door", name, 0.95),
      why: "the deadline, the breaker and the figures of each call",
    })),
    ...Object.entries({ cache: "readers of the caches", sessions: "people with sessions" }).flatMap(([name, whom]) => [
      most(`single, under ${whom}: an outage is told within 1 s`, `drill ${name}`, "time to detect", 1_000),
      most(`single, under ${whom}: Redis is used again 2 s after it is well`, `drill ${name}`, "used again", 2_000),
    ]),
    ...["sentinel", "cluster"].map((name) =>
      most(
        `${name}: Redis is used again 2 s after a new master`,
        `drill ${name}`,
        "writes again after a new master",
        2_000,
      ),
    ),
  ],
  Sessions: [
    least("get at 100 %: 0.9 of connect-redis", "bench sessions", "get at 100 % / connect-redis", 0.9),
    least("get at 100 %: twice connect-mongo", "bench sessions", "get at 100 % / connect-mongo", 2),
    least("set at 100 %: 0.7 of connect-mongo", "bench sessions", "set at 100 % / connect-mongo", 0.7),
    least("touch at 100 %: not slower than connect-mongo", "bench sessions", "touch at 100 % / connect-mongo", 1),
    least("get at 0 %: 0.95 of connect-mongo", "bench sessions", "get at 0 % / connect-mongo", 0.95),
    least("logins: 0.85 of the stock store's", "bench login", "logins beside the stock store", 0.85),
    most("100,000 sessions copied within 60 s", "bench backfill", "seconds per 100,000 sessions", 60),
    most("and a server's p99 not over twice", "bench backfill", "p99 during / calm", 2),
    most("nobody logged out", "drill sessions", "loggedOut", 0),
    most("no logout revived", "drill sessions", "revived", 0),
    most("no write lost", "drill sessions", "lost", 0),
    most("no answer of 500 and above", "drill sessions", "failed", 0),
    least(
      "95 % of the reads of sessions that the dial gives to Redis are answered by it",
      "drill sessions",
      "of the bucket's reads from Redis",
      95,
    ),
    most("an old server alongside: nobody logged out", "drill rolling", "logged out", 0),
  ],
  Caches: [
    least("users from memory 30 times as fast", "bench cache", "/api/users from L1", 30),
    least("channels from memory 20 times as fast", "bench cache", "/api/channels from L1", 20),
    least("users from Redis 10 times as fast", "bench cache", "/api/users with L1 off", 10),
    least("channels from Redis 5 times as fast", "bench cache", "/api/channels with L1 off", 5),
    least("users: 1.5 of bare Express", "bench cache", "/api/users from L1 beside bare Express", 1.5),
    least("channels: 1.5 of bare Express", "bench cache", "/api/channels from L1 beside bare Express", 1.5),
    least("users: 304 faster still", "bench cache", "/api/users 304 beside L1", 1),
    least("channels: 304 faster still", "bench cache", "/api/channels 304 beside L1", 1),
    ...["users", "channels"].map((list) =>
      least(
        `${list}: 304 to nine of ten who have them`,
        "bench cache",
        `/api/${list}, answered 304 of what one has`,
        90,
      ),
    ),
    least("history of a join: 5 times less CPU", "bench cache", "history, less CPU", 5),
    least(
      "a history among 200,000 messages comes 20 times sooner than with Redis off",
      "bench cache",
      "/api/channels/channel-0/messages, sooner there",
      20,
    ),
    {
      ...least(
        "a history over a socket comes 20 times sooner than with Redis off",
        "bench cache",
        "history, sooner there",
        20,
      ),
      why: "the same bytes are written to each who joins, and joins are counted in Redis",
    },
    least("hit rate of 95 % on the mixed load", "bench mixed", "hit rate", 95),
    {
      ...least("95 % fewer reads of MongoDB on the mixed load", "bench mixed", "fewer reads of MongoDB", 95),
      why: "whether copies may be believed is asked all the time, however little is asked besides",
    },
    atSize(most("memory steady over 5 minutes of it", "bench mixed", "heap after / before", 1.2)),
    atSize(most("and that of Redis", "bench mixed", "Redis's memory after / before", 1.25)),
    atSize(most("and all that the server's process holds", "bench mixed", "process after / before", 1.25)),
    {
      ...most("no answer that MongoDB could not have given", "bench cache", "wrong answers", 0),
      among: "answers compared with MongoDB",
    },
    {
      ...most("nor while Redis suffers", "drill cache", "wrong answers", 0),
      among: "answers compared with MongoDB",
    },
    most("and no answer of 500 and above meanwhile", "drill cache", "errors", 0),
    least("users: not slower than bentocache", "bench peers", "/api/users beside bentocache", 1),
    least("channels: not slower than bentocache", "bench peers", "/api/channels beside bentocache", 1),
    least("histories: not slower than bentocache", "bench peers", "histories beside bentocache", 1),
    {
      ...most("and not wrong meanwhile", "bench peers", "wrong answers", 0),
      among: "answers compared with MongoDB",
    },
  ],
  "Real time": [
    least("deliveries per CPU second: 0.9 of bare Socket.IO", "bench sockets", "deliveries beside bare Socket.IO", 0.9),
    atSize(least("8,000 connections on one process", "bench sockets", "connections", 8_000)),
    atSize(most("a storm of 2,000 sockets settles within 10 s", "bench sockets", "a storm settles", 10)),
    most("one list per room and second meanwhile", "bench sockets", "lists per room and second", 1.1),
    most("nobody's words pushed out of a recent list", "bench sockets", "words pushed out", 0),
    most(
      "every message of the room, once, through every fault",
      "drill realtime",
      "messages missing, lost or twice",
      0,
    ),
    most("nobody asked to log in again", "drill realtime", "people asked to log in again", 0),
    most(
      "who is there is told right within 20 s of a death",
      "drill realtime",
      "who is there is told right within",
      20,
    ),
    most("a rolling restart loses no message", "drill rolling", "messages lost", 0),
    most("and logs nobody out", "drill rolling", "logged out", 0),
  ],
  "What is lost, and how soon all is back": [
    ...["sentinel", "cluster"].flatMap((name) => [
      most(`${name}: writes go on within 6 s of a lost master`, `drill ${name}`, "without an accepted write", 6),
      most(`${name}: no session lost`, `drill ${name}`, "lost", 0),
    ]),
    most(
      "a lost store is back within 5 minutes of beginning to restore it (RTO)",
      "drill restore",
      "back after",
      mostRto,
    ),
    most(
      "and loses what is younger than its copy, and a second and a half more (RPO)",
      "drill restore",
      "lost beyond the age of the backup",
      mostBeyond,
    ),
    most("no session lost by that", "drill restore", "lost sessions", 0),
    most("no logout revived by it", "drill restore", "logouts that came back to life", 0),
  ],
};

/** What is asked of one report. */
export const targetsOf = (kind: string, name: string): Target[] =>
  Object.values(targets)
    .flat()
    .filter(({ of }) => of === `${kind} ${name}`);
