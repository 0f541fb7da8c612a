import { randomBytes } from "node:crypto";

/**
 * What a structure in Redis says of itself, in one element of its own: `filling <token>` while somebody fills it, with a
 * ` +` once somebody else has put something in, and `complete <epoch> <form> <token> <count>` afterwards, where the count
 * goes up with each change.
 */
export interface Completeness {
  readonly token: string;
  /** Never seen again once the content is another. */
  readonly version: string;
}

/** The field, member or element that holds it; no entry may be called so. */
export const STATE = "@state";

export const newToken = () => randomBytes(9).toString("base64url");

/** How the state of a structure begins that may be believed. */
export const completeIn = (epoch: number, form: string) => `complete ${epoch} ${form} `;

export function readState(text: string | null | undefined, epoch: number, form: string): Completeness | undefined {
  const head = completeIn(epoch, form);
  if (!text?.startsWith(head)) return undefined;
  const [token = "", count = ""] = text.slice(head.length).split(" ");
  return { token, version: `${token}.${count}` };
}

/** The state of this version; the token has no dots. */
export const stateOf = (epoch: number, form: string, version: string) =>
  completeIn(epoch, form) + version.replace(".", " ");

/** Lua: the state after one more change. */
export const bumpLua = `
local function bump(state)
  local head, count = string.match(state, "^(complete .* )(%d+)$")
  return head and head .. string.format("%.0f", tonumber(count) + 1) or state
end`;

/** Lua: whether this token fills what is in this state, which others may have put something into. */
export const fillsLua = `
local function fills(state, token) return state == "filling " .. token or state == "filling " .. token .. " +" end`;

/** Lua: the state after a push; who fills in steps must learn that there is more than its own. */
export const pushedLua = `
${bumpLua}
local function pushed(state) return string.match(state, "^filling %S+$") and state .. " +" or bump(state) end`;

/** The version that a state names, as the scripts answer it. */
export function versionOf(state: string): string | undefined {
  const [kind, , , token, count] = state.split(" ");
  return kind === "complete" ? `${token}.${count}` : undefined;
}
