/** Does one thing after the other, as long as there is something to do. */
export interface Turns {
  /** What comes in one tick is done together. */
  kick(): void;
  /** When everything is done that can be done now. */
  idle(): Promise<void>;
}

interface Options {
  /** undefined: nothing to do; false: it could not be done, and is tried again at the next kick. */
  step(): Promise<boolean> | undefined;
  onFailed(): void;
}

export function createTurns({ step, onFailed }: Options): Turns {
  let turning: Promise<void> | undefined;
  let gathering = false;
  let again = false;

  async function turn(): Promise<void> {
    for (let going = step(); going; going = step()) if (!(await going)) return onFailed();
  }

  function kick(): void {
    again = turning !== undefined;
    if (turning || gathering) return;
    gathering = true;
    setImmediate(() => {
      gathering = false;
      turning = turn().finally(() => {
        turning = undefined;
        if (again) kick();
      });
    });
  }

  return {
    kick,
    async idle() {
      kick();
      await new Promise<void>((resolve) => setImmediate(resolve));
      await turning;
    },
  };
}
