import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/bcrypt";
import { UnavailableError } from "../../kernel/errors.ts";

/** False once nobody waits for the answer any more: what has not begun by then is not begun. */
export type StillWanted = () => boolean;

export interface Passwords {
  hash(password: string, wanted: StillWanted): Promise<string>;
  /** Without a hash it takes as long and answers false: an unknown user cannot be told by the clock. */
  matches(password: string, hash: string | undefined, wanted: StillWanted): Promise<boolean>;
}

// At about 0.3 s each, whoever stands behind more would be told too late anyway.
const waitingPerLane = 8;

/** At most so many at once as there are processors; the rest waits in a bounded line, and beyond it is told at once. */
function createLine(lanes = availableParallelism()) {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return async <T>(wanted: StillWanted, work: () => Promise<T>): Promise<T> => {
    if (busy >= lanes) {
      if (waiting.length >= lanes * waitingPerLane) throw new UnavailableError("Too many passwords are being checked");
      await new Promise<void>((turn) => waiting.push(turn));
    } else busy += 1;
    try {
      if (!wanted()) throw new UnavailableError("Nobody waits for this password any more");
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else busy -= 1;
    }
  };
}

/** bcrypt in the thread pool, never on the event loop. */
export function createPasswords(cost: number): Passwords {
  const inLine = createLine();
  const decoy = hash("nobody has this password", { cost });
  decoy.catch(() => undefined);
  return {
    hash: (password, wanted) => inLine(wanted, () => hash(password, { cost })),
    async matches(password, stored, wanted) {
      const right = await inLine(wanted, async () => verify(password, stored ?? (await decoy)));
      return stored !== undefined && right;
    },
  };
}
