import { hash, verify } from "@node-rs/bcrypt";

export interface Passwords {
  hash(password: string): Promise<string>;
  /** Without a hash it takes as long and answers false: an unknown user cannot be told by the clock. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
}

/** bcrypt in the thread pool, never on the event loop. */
export function createPasswords(cost: number): Passwords {
  const decoy = hash("nobody has this password", { cost });
  decoy.catch(() => undefined);
  return {
    hash: (password) => hash(password, { cost }),
    async matches(password, stored) {
      const right = await verify(password, stored ?? (await decoy));
      return stored !== undefined && right;
    },
  };
}
