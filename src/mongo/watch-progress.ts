import type { ClientSession, ResumeToken } from "mongodb";

/**
 * How far behind a change stream is, found without writing a heartbeat: every reply names the newest time of the whole
 * replica set, and the resume token the time up to which this stream has been read. What was acknowledged before a
 * question was asked is delivered once the token reaches the set's time that came with the answer.
 */
export interface Progress {
  /** A reply came to a question asked at `askedAt`. */
  replied(askedAt: number, session: ClientSession): void;
  /** Everything up to the token has been applied; true when that proves a mark. */
  applied(token: ResumeToken): boolean;
  /** Everything that was acknowledged so many milliseconds ago has been applied; Infinity before the first proof. */
  lagMs(): number;
}

/** A resume token begins with a sort key of its time: `82`, seconds, counter. Undefined for a server with other tokens. */
function timeOfToken(token: ResumeToken): string | undefined {
  const data = (token as { _data?: unknown } | null)?._data;
  return typeof data === "string" && /^82[0-9a-f]{16}/i.test(data) ? data.slice(2, 18).toLowerCase() : undefined;
}

function timeOfSet(session: ClientSession): string | undefined {
  const time = session.clusterTime?.clusterTime;
  if (!time) return undefined;
  const hex = (bits: number) => bits.toString(16).padStart(8, "0");
  return hex(time.getHighBitsUnsigned()) + hex(time.getLowBitsUnsigned());
}

export function createProgress(now: () => number): Progress {
  let mark: { askedAt: number; time: string | undefined } | undefined;
  let provenAt = Number.NEGATIVE_INFINITY;
  return {
    replied(askedAt, session) {
      mark ??= { askedAt, time: timeOfSet(session) };
    },
    applied(token) {
      const reached = timeOfToken(token);
      if (!mark || (mark.time && reached && reached < mark.time)) return false;
      provenAt = mark.askedAt;
      mark = undefined;
      return true;
    },
    lagMs: () => now() - provenAt,
  };
}
