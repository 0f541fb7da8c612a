import type { AllCommands } from "./commands.ts";
import type { Client } from "./connection.ts";

type Text = string | Buffer;
type Send = (words: Text[]) => Promise<unknown>;
type Command = (...args: never[]) => Promise<unknown>;
/** Makes the command of that name; `usual` is node-redis's own. */
type Shape = (name: string, send: Send, usual: Command) => Command;

const list = (items: Text | Text[]): Text[] => (Array.isArray(items) ? items : [items]);

const key: Shape = (name, send) => (one: Text) => send([name, one]);
const keyAndOne: Shape = (name, send) => (one: Text, item: Text) => send([name, one, item]);
const keyAndMany: Shape = (name, send) => (one: Text, items: Text | Text[]) => send([name, one, ...list(items)]);
const keyAndRange: Shape = (name, send) => (one: Text, from: number, to: number) =>
  send([name, one, `${from}`, `${to}`]);
const keyAndTime: Shape = (name, send) => (one: Text, time: number, mode?: string) =>
  send(mode ? [name, one, `${time}`, mode] : [name, one, `${time}`]);
const keyOneAndNumber: Shape = (name, send) => (one: Text, item: Text, by: number) => send([name, one, item, `${by}`]);
const keys: Shape = (name, send) => (all: Text | Text[]) => send([name, ...list(all)]);

const script: Shape =
  (name, send) =>
  (code: string, options: { keys?: Text[]; arguments?: Text[] } = {}) => {
    const { keys: all = [], arguments: rest = [] } = options;
    return send([name, code, `${all.length}`, ...all, ...rest]);
  };

/** EX or PX alone; anything else is left to node-redis. */
function expiryOf(options: Record<string, unknown>): string | undefined {
  let found: string | undefined;
  for (const name in options) {
    if (found !== undefined || (name !== "EX" && name !== "PX")) return undefined;
    found = name;
  }
  return found;
}

const set: Shape = (name, send, usual) => (one: Text, value: Text, options?: Record<string, unknown>) => {
  if (options === undefined) return send([name, one, value]);
  const unit = expiryOf(options);
  return unit === undefined
    ? (usual as (...args: unknown[]) => Promise<unknown>)(one, value, options)
    : send([name, one, value, unit, `${options[unit]}`]);
};

/** The commands whose reply node-redis hands on as it is, by what they take. */
const shapes: [Shape, string][] = [
  [key, "get hGetAll hVals hLen lLen sMembers sCard zCard pTTL incr"],
  [keyAndOne, "hGet sIsMember publish"],
  [keyAndMany, "hmGet smIsMember sAdd sRem hDel lPush rPush zRem"],
  [keyAndRange, "lRange lTrim"],
  [keyAndTime, "expire pExpire"],
  [keyOneAndNumber, "hIncrBy"],
  [keys, "mGet del unlink exists"],
  [script, "eval evalSha"],
  [set, "set"],
];

/**
 * The client's commands, the everyday ones by a shorter way: node-redis takes a command through three promises of its
 * own, which cost more than all that the door adds.
 */
export function quickCommands(client: Client): AllCommands {
  const commands = Object.create(client) as Record<string, Command>;
  const send: Send = (words) => client.sendCommand(words);
  for (const [shape, names] of shapes)
    for (const name of names.split(" ")) {
      const usual = commands[name];
      if (usual) commands[name] = shape(name.toUpperCase(), send, usual.bind(client));
    }
  return commands as unknown as AllCommands;
}
