import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { createEnds } from "../test/support/ends.ts";
import { figureOf } from "../test/support/metrics.ts";
import { type RedisServer, startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";
import { createRounds, type Round, shareOf } from "./cache/rounds.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import { startServer } from "./stage/processes.ts";
import { createTally } from "./stage/schedule.ts";
import { seed } from "./stage/seed.ts";
import { shipped } from "./stage/shipped.ts";
import type { RunOptions } from "./support/conduct.ts";
import {
  type Cell,
  count,
  type Figure,
  type Healthy,
  megabytes,
  micro,
  percent,
  type Report,
} from "./support/report.ts";
import { rounds as inTurns } from "./support/rounds.ts";
import { median, ratioOf } from "./support/sums.ts";

const steps = [
  { users: 500, channels: 50, messages: 10_000 },
  { users: 5_000, channels: 500, messages: 100_000 },
  { users: 50_000, channels: 5_000, messages: 1_000_000 },
];
const shortSteps = steps.slice(0, 2);
const CONNECTIONS = 10;
const warmMs = 2_000;
const loads = [
  ["all users", "/api/users"],
  ["all channels", "/api/channels"],
  ["a page of users", "/api/users?sort=lastActive&limit=50"],
  ["a history", "/api/channels/channel-0/messages"],
] as const;
type Load = (typeof loads)[number];
type Name = Load[0];

/** Where MongoDB is expected to answer although Redis is well. */
const exceptions: readonly { users: number; name: Name; why: string }[] = [
  {
    users: 50_000,
    name: "all users",
    why: "each answer keeps the server busy for so long that it is late in looking after Redis, which it then may not believe",
  },
];

interface Step {
  size: Size;
  label: string;
  rounds: Map<Name, Round[]>;
  serverMb: number;
  redisMb: number;
  /** In Redis, with all its parts. */
  usersMb: number;
  largestKeyMb: number;
  failures: string[];
}

type Size = (typeof steps)[number];
type Tally = ReturnType<typeof createTally>;

interface Much {
  rounds: number;
  ms: number;
  settleMs: number;
}

const inWords = (figure: number) => figure.toLocaleString("en");
const kiloBytes = (value: number): Cell => ({ value, unit: " kB", digits: 1 });

async function megabytesIn(redis: RedisServer) {
  const keys = (await redis.ask("KEYS", "*")) as string[];
  const sizes = await Promise.all(
    keys.map(async (key) => ({ key, mb: Number(await redis.ask("MEMORY", "USAGE", key, "SAMPLES", 0)) / 2 ** 20 })),
  );
  const users = sizes.filter(({ key }) => key.includes("cache:users:list"));
  return {
    redisMb: Number(await redis.info("used_memory")) / 2 ** 20,
    usersMb: users.reduce((sum, { mb }) => sum + mb, 0),
    largestKeyMb: Math.max(...sizes.map(({ mb }) => mb)),
  };
}

/** A list so long takes a while to be put into Redis when a server begins; whoever asks meanwhile is made to wait, and may be refused. */
const filled = (url: string, token: string) =>
  until(
    async () => {
      const headers = { Authorization: `Bearer ${token}` };
      const response = await fetch(`${url}/api/users?sort=lastActive&limit=50`, { headers });
      await response.arrayBuffer();
      return response.headers.get("x-cache") === "redis";
    },
    { timeoutMs: 60_000, describe: () => "the users to be read from Redis" },
  );

/** What one request costs when the database has so much, while users and messages change past the server. */
async function measure(mongoUrl: string, size: Size, much: Much, tally: Tally): Promise<Step> {
  const ends = createEnds();
  try {
    const client = ends.add(await mongoose.mongo.MongoClient.connect(mongoUrl));
    const visitors = await seed(client.db(), size);
    const redis = ends.add(await startRedisServer());
    const server = ends.add(await startServer({ ...shipped(mongoUrl, redis.url), RATE_LIMITS: "off" }));
    const tokens = visitors.map(({ token }) => token);
    const asking = ends.add(createRounds({ mongoUrl, tokens, connections: CONNECTIONS }));
    await filled(server.url, tokens[0] ?? "");
    const writes = beginPlainWrites(client.db(), { visitors, rooms: ["channel-0"] });
    // Whoever compares reads all users again and again, which would be measured, too.
    const ask = ([name, path]: Load, ms: number) =>
      asking.run({ name: `${size.users} users, ${name}`, server, paths: [path], check: false, ms });
    const work = async (load: Load, turn: number) => {
      if (turn < 0) return ask(load, warmMs);
      // What the load before has left behind is not this one's.
      await ask(load, much.settleMs);
      return ask(load, much.ms);
    };
    const measured = await inTurns(loads, much.rounds, work, { warm: 1 }).finally(async () =>
      tally.add(await writes.close()),
    );
    const found = await megabytesIn(redis);
    return {
      ...{ size, ...found, label: [size.users, size.channels, size.messages].map(inWords).join(" / ") },
      rounds: new Map([...measured].map(([[name], rounds]) => [name, rounds])),
      serverMb: (await figureOf(server.url, "process_resident_memory_bytes")) / 2 ** 20,
      failures: [
        ...asking.failures(),
        ...(found.usersMb > 0 ? [] : [`${size.users} users: their list was not in Redis at the end`]),
      ],
    };
  } finally {
    await ends.close();
  }
}

const perRequest = ({ cpu }: Round) => cpu;
const kilobytes = ({ megabytes, requests }: Round) => (megabytes * 1e6) / requests / 1_024;
const perKilobyte = (round: Round) => round.cpu / kilobytes(round);
const hitsOf = (rounds: readonly Round[]) => shareOf(rounds, ["l1", "redis"]);

function rowOf(label: string, name: string, rounds: readonly Round[]): Cell[] {
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  const cpu = rounds.map(perRequest);
  return [
    ...[
      label,
      name,
      count(
        middle(({ perSecond }) => perSecond),
        0,
      ),
    ],
    ...[median(cpu), Math.min(...cpu), Math.max(...cpu)].map((one) => micro(one, 0)),
    ...[kiloBytes(middle(kilobytes)), micro(middle(perKilobyte), 1), percent(100 * hitsOf(rounds), 0)],
  ];
}

function reportOf(measured: readonly Step[], much: Much, tally: Tally): Report {
  const [first, last] = [measured[0], measured.at(-1)] as [Step, Step];
  const cells = measured.flatMap(({ size, label, rounds }) =>
    [...rounds].map(([name, list]) => {
      const exception = exceptions.find((one) => one.users === size.users && one.name === name);
      return { label, name, rounds: list, exception };
    }),
  );
  const growth = (name: Name, of: (round: Round) => number, what: string): Figure => {
    const [ours, other] = [last, first].map(({ rounds }) => (rounds.get(name) ?? []).map(of)) as [number[], number[]];
    return { name: `${name}: CPU per ${what}, largest / smallest`, ...ratioOf(ours, other), unit: "×" };
  };
  const memory = (whose: string, of: (step: Step) => number): Figure => {
    const [ours, other] = [of(last), of(first)];
    return { name: `memory of ${whose}, largest / smallest`, value: ours / other, ours, other, unit: "×" };
  };
  const sizes = "users / channels / messages";
  return {
    kind: "bench",
    name: "scale",
    what: `what one request costs as the chat grows from ${first.label} to ${last.label} ${sizes}, ${CONNECTIONS} connections, ${much.rounds} rounds in turns`,
    tables: [
      {
        title: "",
        head: [sizes, "asked for", "requests/s", "CPU each", "min", "max", "sent", "CPU per kB", "from Redis"],
        rows: cells.map(({ label, name, rounds }) => rowOf(label, name, rounds)),
      },
      {
        title: "not expected from Redis, and not part of what is asserted",
        head: [sizes, "asked for", "from Redis", "because"],
        rows: cells.flatMap(({ label, name, rounds, exception }) =>
          exception ? [[label, name, percent(100 * hitsOf(rounds), 0), exception.why]] : [],
        ),
      },
      {
        title: "memory afterwards",
        head: [
          sizes,
          "the server's process",
          "Redis",
          "the users' list in Redis, all its parts",
          "largest key in Redis",
        ],
        rows: measured.map(({ label, serverMb, redisMb, usersMb, largestKeyMb }) => [
          ...[label, megabytes(serverMb, 0)],
          ...[redisMb, usersMb, largestKeyMb].map((one) => megabytes(one, 1)),
        ]),
      },
      tally.table("changed past the server meanwhile"),
    ],
    figures: [
      growth("all users", perKilobyte, "kB"),
      growth("all channels", perKilobyte, "kB"),
      growth("a page of users", perRequest, "request"),
      growth("a history", perRequest, "request"),
      memory("the server", ({ serverMb }) => serverMb),
      memory("Redis", ({ redisMb }) => redisMb),
      { name: `the list of ${inWords(last.size.users)} users in Redis`, value: last.usersMb, unit: " MB" },
      { name: `largest key in Redis with ${inWords(last.size.users)} users`, value: last.largestKeyMb, unit: " MB" },
    ],
    healthy: cells
      .filter(({ exception }) => !exception)
      .map(({ label, name, rounds }): Healthy => ({ phase: `${label}, ${name}`, share: hitsOf(rounds), least: 0.7 })),
    failures: [...measured.flatMap(({ failures }) => failures), ...tally.failures()],
  };
}

export async function run({ short }: RunOptions): Promise<Report> {
  const much = { rounds: 3, ...(short ? { ms: 600, settleMs: 400 } : { ms: 1_500, settleMs: 1_000 }) };
  const tally = createTally();
  const measured: Step[] = [];
  for (const size of short ? shortSteps : steps) {
    measured.push(await withMongo((mongoUrl) => measure(mongoUrl, size, much, tally)));
    console.error(`${measured.at(-1)?.label}: done`);
  }
  return reportOf(measured, much, tally);
}
