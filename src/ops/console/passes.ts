import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";
import { sameSecret } from "../access.ts";

/** read: sees everything and changes nothing. */
type Role = "full" | "read";

export interface Pass {
  readonly role: Role;
  /** When its holder showed the token. */
  readonly began: number;
  readonly ends: number;
}

/** Passes are signed and kept by their holders; no server remembers them, so every instance takes those of the others. */
export interface Passes {
  /** Which token this is, if it is one. */
  roleOf(token: string): Role | undefined;
  /** Undefined when its holder has to show the token again. */
  issue(role: Role, began?: number): { text: string; pass: Pass } | undefined;
  read(text: string | undefined): Pass | undefined;
}

export interface PassesOptions {
  tokens: { full: string; read?: string };
  /** The first signs, all verify: nobody who holds a pass can find out a token by trying. */
  secrets: readonly string[];
  clock: Clock;
  lifeMs?: number;
  /** However often it is renewed. */
  mostMs?: number;
}

const hour = 3_600_000;
const roles: readonly Role[] = ["full", "read"];

export function createPasses(options: PassesOptions): Passes {
  const { tokens, secrets, clock, lifeMs = hour, mostMs = 12 * hour } = options;

  // A new token makes the passes of the old one worthless.
  const sign = (secret: string, role: Role, text: string) =>
    createHmac("sha256", `console ${secret} ${tokens[role]}`).update(text).digest("base64url");

  return {
    roleOf(token) {
      const found = roles.map((role) => sameSecret(token, tokens[role] ?? ""));
      return token === "" ? undefined : roles.find((_, at) => found[at]);
    },
    issue(role, began = clock.now()) {
      const ends = Math.min(clock.now() + lifeMs, began + mostMs);
      if (ends <= clock.now()) return undefined;
      const text = `${role}.${began}.${ends}.${randomBytes(6).toString("base64url")}`;
      return { text: `${text}.${sign(secrets[0] ?? "", role, text)}`, pass: { role, began, ends } };
    },
    read(text = "") {
      const [role, began, ends, salt, signature] = text.split(".");
      const known = roles.find((one) => one === role);
      if (!known || !tokens[known] || !signature) return undefined;
      const signed = secrets.map((secret) =>
        sameSecret(signature, sign(secret, known, `${role}.${began}.${ends}.${salt}`)),
      );
      if (!signed.includes(true) || !(Number(ends) > clock.now())) return undefined;
      return { role: known, began: Number(began), ends: Number(ends) };
    },
  };
}
