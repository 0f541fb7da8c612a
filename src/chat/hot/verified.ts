import { createHash } from "node:crypto";
import { createRemembered, type Remembered } from "../../kernel/remembered.ts";
import type { Caller } from "../routes/guard.ts";

/** A token that was found good, and until when by itself, in ms since 1970. */
export interface Verified {
  readonly caller: Caller;
  readonly until: number;
}

/** What tokens were found to be, by the header that carries them, until something may have changed that. */
export type VerifiedTokens = Remembered<Verified>;

/** A session's name for others: who reads it cannot use it. */
export const nameOf = (sid: string): string => createHash("sha256").update(sid).digest("base64url").slice(0, 22);

export const ofUser = (userId: string) => `user:${userId}`;
/** By what `nameOf` makes of its sid. */
export const ofSession = (name: string) => `session:${name}`;

export interface VerifiedOptions {
  /** Whether every revocation is heard of now. */
  heard: () => boolean;
  /** What is not heard of counts after so long. */
  lifeMs: () => number;
}

/** No token counts longer without another look. */
export const longestMs = 120_000;
const unheardMs = 30_000;
/** Who is known by the token alone prolongs no session meanwhile. */
const partOfSession = 1 / 20;
const most = 20_000;

/** How long a token is taken for good without another look, where revocations are `heard` of, and where none can be. */
export const tokenLifeMs = (sessionMs: number, heard: boolean): number =>
  Math.min(heard ? longestMs : unheardMs, sessionMs * partOfSession);

export function createVerifiedTokens({ heard, lifeMs }: VerifiedOptions): VerifiedTokens {
  const tokens = createRemembered<Verified>({
    ...{ heard, longestMs, most },
    namesOf: ({ caller: { standing, session } }) => [
      ofUser(standing.id),
      ...(session ? [ofSession(nameOf(session.sid))] : []),
    ],
    // Those that are found good together are not all looked at again together.
    trueForMs: ({ until }) => Math.min(until - Date.now(), lifeMs() * (1 - Math.random() / 4)),
  });
  return {
    ...tokens,
    get(header) {
      const known = tokens.get(header);
      // A machine that was asleep has not counted that time.
      return known && known.until > Date.now() ? known : undefined;
    },
  };
}
