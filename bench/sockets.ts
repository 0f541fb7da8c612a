import { withMongo } from "../drills/support/mongo.ts";
import { compare, type Pair, type Size } from "./sockets/compare.ts";
import { type Heard, type Side, wordsAtOnce } from "./sockets/side.ts";
import type { RunOptions } from "./support/conduct.ts";
import { type Cell, count, type Figure, ms, none, percent, type Report, seconds } from "./support/report.ts";
import { median, quantile, ratioOf } from "./support/sums.ts";

const wholeSize: Size = {
  ...{ connections: 8_000, rooms: 4, users: 400, storm: 2_000 },
  ...{ rounds: 5, roundsWithout: 3, ms: 3_000 },
};
const shortSize: Size = {
  ...{ connections: 2_000, rooms: 2, users: 200, storm: 500 },
  ...{ rounds: 3, roundsWithout: 2, ms: 1_500 },
};

const wait = (rounds: readonly Heard[], part: number) => median(rounds.map(({ waits }) => quantile(waits, part)));

const kilobytes = (value: number): Cell => ({ value, unit: " kB", digits: 1 });

function row({ name, each, connectSeconds, idleShare, crowded, alone }: Side): Cell[] {
  const rate = (rounds: readonly Heard[], of: "gross" | "net") => count(median(rounds.map((one) => one[of])), 0);
  return [
    name,
    kilobytes(each.objects),
    kilobytes(each.process),
    seconds(connectSeconds, 1),
    rate(crowded, "gross"),
    idleShare === undefined ? none : rate(crowded, "net"),
    rate(alone, "gross"),
    idleShare === undefined ? none : percent(100 * idleShare, 1),
    ...[crowded, alone].flatMap((rounds) => [0.5, 0.99].map((part) => ms(wait(rounds, part), 1))),
  ];
}

const head = [
  "server",
  "memory per connection",
  "its process grew by",
  "all connected in",
  `deliveries per CPU second, ${wordsAtOnce} words at once in each room`,
  "the same without what it does by the clock",
  "one word at a time",
  "processor while nobody speaks",
  `there after, p50, ${wordsAtOnce} words at once in each room`,
  "p99",
  "p50, one word at a time",
  "p99",
];

type Listened = "crowded" | "alone";

function beside({ ours, bare }: Pair, when: Listened, of: (round: Heard) => number) {
  return { ...ratioOf(ours[when].map(of), bare[when].map(of)), unit: "×" };
}

export async function run({ short }: RunOptions): Promise<Report> {
  const size = short ? shortSize : wholeSize;
  const { redisOn, redisOff, healthy, storm, failures } = await withMongo((mongoUrl) => compare(mongoUrl, size));
  const { ours, bare } = redisOn;
  const gross = ({ gross }: Heard) => gross;
  const figures: Figure[] = [
    {
      name: "connections",
      value: Math.min(ours.connected, bare.connected),
      ...{ unit: "", target: wholeSize.connections },
    },
    { name: "deliveries beside bare Socket.IO", ...beside(redisOn, "crowded", gross), target: 0.9 },
    {
      name: "deliveries beside bare Socket.IO, both without what they do by the clock",
      ...beside(redisOn, "crowded", ({ net }) => net),
    },
    { name: "deliveries of words by themselves beside bare Socket.IO", ...beside(redisOn, "alone", gross) },
    { name: "deliveries with Redis off beside bare Socket.IO", ...beside(redisOff, "crowded", gross) },
    {
      name: "a word there, p99 beside bare Socket.IO",
      ...beside(redisOn, "crowded", ({ waits }) => quantile(waits, 0.99)),
    },
    {
      name: "a word by itself there, p50 beside bare Socket.IO",
      ...beside(redisOn, "alone", ({ waits }) => quantile(waits, 0.5)),
    },
    {
      name: "memory per connection beside bare Socket.IO",
      ...ratioOf([ours.each.objects], [bare.each.objects]),
      unit: "×",
    },
    { name: "a storm settles", value: storm.seconds, unit: " s", target: 10, atMost: true },
    { name: "lists per room and second", value: storm.listsPerSecond, unit: "", target: 1.1, atMost: true },
    { name: "lists of newcomers in the storm", value: storm.lists, unit: "" },
    { name: "words pushed out", value: storm.wordsLost, unit: "", target: 0, atMost: true },
  ];
  return {
    kind: "bench",
    name: "sockets",
    what: `${size.connections} connections on one process as shipped but for sessions at 100 % and limits off, ${size.connections / size.rooms} to a room, messages of 100 B, beside bare Socket.IO with the stock adapter, ${size.rounds} rounds in turns; the same with Redis off and one room on each side, ${size.roundsWithout} rounds; a storm of ${size.storm} sockets while others come for the first time`,
    tables: [{ title: "", head, rows: [ours, bare, redisOff.ours].map(row) }],
    figures,
    healthy,
    failures,
  };
}
