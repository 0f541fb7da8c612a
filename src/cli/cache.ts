import { Argument, Command } from "commander";
import { explainKey } from "../cache/journal.ts";
import { countKeys, flushCaches, prefixesOf, switchCache } from "../cache/tools.ts";
import { type CacheName, cacheNames, cachePrefixes, keyedByChannel } from "../chat/caches/index.ts";
import { channelModel } from "../chat/models/channel.ts";
import type { Config } from "../config/load.ts";
import { systemClock } from "../kernel/clock.ts";
import { silenceOf } from "../redis/silence.ts";
import {
  type ActOptions,
  acting,
  byOf,
  type ChangeOptions,
  changing,
  followers,
  followWords,
  toChange,
} from "./changes.ts";
import { answer, type Desk, table } from "./desk.ts";
import { inHouse } from "./house.ts";

const nameArgument = () => new Argument("<cache>", "which one").choices(cacheNames);
const ttlOf = (config: Config, name: CacheName): number => config[`TTL_${name.toUpperCase() as Uppercase<CacheName>}`];

function listCommand(desk: Desk): Command {
  return new Command("list")
    .description("show every cache: its switch, and what Redis holds of it")
    .option("--json", "answer in JSON")
    .action(({ json }: { json?: boolean }) =>
      inHouse(desk, async ({ config, settings, redis }) => {
        const { door } = (await redis()).box;
        const caches = await Promise.all(
          cacheNames.map(async (name) => {
            const stored = settings.current.caches[name];
            const keys = await countKeys(door, cachePrefixes[name]);
            return { name, on: stored ?? config.CACHES, by: stored === undefined ? "environment" : "settings", keys };
          }),
        );
        const rows = caches.map(({ name, on, by, keys }) => [
          name,
          `${on ? "on" : "off"} (${by})`,
          `${ttlOf(config, name)} s`,
          keys === undefined ? "?" : String(keys),
          `${cachePrefixes[name]}${keyedByChannel.includes(name) ? "<channel>" : ""}`,
        ]);
        const silent = caches.some(({ keys }) => keys === undefined) ? [await silenceOf(door)] : [];
        answer(desk, json, { caches, redis: door.state }, [
          ...table([["CACHE", "SWITCH", "TTL", "KEYS", "IN REDIS"], ...rows]),
          ...silent,
        ]);
      }),
    );
}

function switchCommand(desk: Desk, on: boolean): Command {
  const what = on ? "read it from Redis again; it is filled anew" : "MongoDB answers in its place, on every server";
  const command: Command = changing(on ? "enable" : "disable", what);
  return command.addArgument(nameArgument()).action((name: CacheName, options: ChangeOptions) =>
    toChange(desk, options, async (house) => {
      const { settings, config } = house;
      const before = settings.current.caches[name] ?? config.CACHES;
      const words = on ? "on" : "off";
      if (options.dryRun) {
        const said = before === on ? `is ${words} already` : `would be switched ${words}`;
        return answer(desk, options.json, { cache: name, on, changed: before !== on, dryRun: true }, [
          `The cache ${name} ${said}.`,
        ]);
      }
      const { revision } = await switchCache(settings, name, on, byOf(options));
      const following = await followers(house, desk, revision);
      answer(desk, options.json, { cache: name, on, changed: before !== on, revision, ...following }, [
        `The cache ${name} is ${words}${before === on ? ", as it was" : ""}.`,
        followWords(house, following),
      ]);
    }),
  );
}

function flushCommand(desk: Desk): Command {
  const what = "throw a cache away (all, when none is named); every server fills its caches anew";
  return acting("flush", what, "required")
    .addArgument(new Argument("[cache]", "whose keys are deleted").choices(cacheNames))
    .action((name: CacheName | undefined, options: ActOptions) =>
      inHouse(desk, async ({ db, settings, redis }) => {
        const { door } = (await redis()).box;
        const { json, dryRun } = options;
        if (dryRun) {
          const counts = await Promise.all(prefixesOf(cachePrefixes, name).map((prefix) => countKeys(door, prefix)));
          const all = counts.includes(undefined) ? undefined : counts.reduce<number>((sum, n) => sum + (n ?? 0), 0);
          const words = all === undefined ? await silenceOf(door) : `${all} keys would be deleted.`;
          return answer(desk, json, { keys: all ?? null, dryRun }, [words]);
        }
        const where = { settings, db, door, clock: systemClock };
        const flushed = await flushCaches(where, cachePrefixes, name, byOf(options));
        const { keys, epoch } = flushed;
        answer(desk, json, { ...flushed, keys: keys ?? null }, [
          keys === undefined
            ? `${await silenceOf(door)} Its keys stay until then, and nobody believes them any more.`
            : `${keys} keys are deleted.`,
          `Whatever any server held of any cache is old from now on (epoch ${epoch}).`,
        ]);
      }),
    );
}

/** Each channel has a key of its own in some caches, and nothing has in the others. */
function objectionTo(name: CacheName, key: string): string | undefined {
  if (!keyedByChannel.includes(name)) return key && `the cache ${name} has one key only; leave out "${key}"`;
  return key ? undefined : `the cache ${name} has a key for each channel; say of which: explain ${name} <channel's id>`;
}

function explainCommand(desk: Desk): Command {
  const command: Command = new Command("explain")
    .description("show what Redis holds under a key, and what has befallen it lately")
    .addArgument(nameArgument())
    .argument("[key]", "of messages and whispers: the channel's id", "")
    .option("--json", "answer in JSON");
  return command.action((name: CacheName, key: string, { json }: { json?: boolean }) => {
    const objection = objectionTo(name, key);
    if (objection) command.error(`error: ${objection}`, { exitCode: 2 });
    return inHouse(desk, async ({ redis, link, place }) => {
      const strange = key !== "" && !(await channelModel(link.connection).exists({ id: key }));
      const { door } = (await redis()).box;
      const seen = await explainKey(door, cachePrefixes[name] + key);
      if (!seen) {
        desk.fail();
        return answer(desk, json, { error: "NO_ANSWER", redis: door.state }, [await silenceOf(door)]);
      }
      const told = seen.events.map(({ at, by, what, ...rest }) => [
        String(at),
        String(by),
        String(what),
        Object.entries(rest)
          .map(([field, value]) => `${field}: ${value}`)
          .join(", "),
      ]);
      const there = seen.type === "none" ? "is not there" : `${seen.type} of ${seen.entries}, ${seen.state}`;
      if (strange) desk.fail();
      answer(desk, json, { ...seen, ...(key && { channelKnown: !strange }) }, [
        ...(strange ? [`There is no channel "${key}" in ${place}.`] : []),
        `${seen.key}: ${there}${seen.ttlMs > 0 ? `, for another ${Math.round(seen.ttlMs / 1_000)} s` : ""}`,
        ...(told.length > 0 ? table(told) : ["Nothing has befallen it within the hour."]),
      ]);
    });
  });
}

export function cacheCommand(desk: Desk): Command {
  return new Command("cache")
    .description("the chat server's caches: what of the chat is read from Redis")
    .addHelpText("after", "\nThe caches of an app of your own (openCaches) are not among them.")
    .addCommand(listCommand(desk))
    .addCommand(switchCommand(desk, true))
    .addCommand(switchCommand(desk, false))
    .addCommand(flushCommand(desk))
    .addCommand(explainCommand(desk));
}
