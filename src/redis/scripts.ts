import { createHash } from "node:crypto";
import { ErrorReply } from "redis";
import type { AllCommands } from "./commands.ts";
import { slotOf } from "./slot.ts";
import type { Script } from "./types.ts";

const shas = new WeakMap<Script, string>();

function shaOf(script: Script): string {
  const known = shas.get(script);
  if (known) return known;
  const sha = createHash("sha1").update(script.lua).digest("hex");
  shas.set(script, sha);
  return sha;
}

/** What is wrong with the keys, on any topology: what works on one server must work on a cluster. */
export function wrongKeys(script: Script, keys: readonly string[]): string | undefined {
  if (keys.length !== script.keys)
    return `the script "${script.name}" takes ${script.keys} keys and got ${keys.length}`;
  const [first, ...others] = keys;
  if (first === undefined || others.length === 0) return undefined;
  const slot = slotOf(first);
  const stray = others.find((key) => slotOf(key) !== slot);
  return stray && `the script "${script.name}" got keys of different slots: "${first}" and "${stray}"`;
}

/** By its hash; whole, once, when the server does not know it. */
export async function evaluate(
  redis: AllCommands,
  script: Script,
  keys: string[],
  args: (string | Buffer)[],
): Promise<unknown> {
  const options = { keys, arguments: args };
  try {
    return await redis.evalSha(shaOf(script), options);
  } catch (error) {
    if (!(error instanceof ErrorReply) || !error.message.startsWith("NOSCRIPT")) throw error;
    return redis.eval(script.lua, options);
  }
}
