export interface UntilOptions {
  timeoutMs?: number;
  everyMs?: number;
  /** What is waited for, or what was seen last, for the message of a failure. */
  describe?: string | (() => unknown);
}

function words(describe: UntilOptions["describe"]): string {
  if (typeof describe !== "function") return describe ?? "the condition";
  const seen = describe();
  return typeof seen === "string" ? seen : JSON.stringify(seen);
}

/** Polls until the condition answers something truthy, and answers that; a condition that throws is not met yet. */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions = {}): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, everyMs = 20, describe } = options;
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (answer) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) break;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  const thrown = cause instanceof Error ? ` (it threw: ${cause.message})` : "";
  throw new Error(`Waited ${timeoutMs} ms in vain for ${words(describe)}${thrown}`, { cause });
}

/** Polls until nothing is wrong any more; answers how many ms that took. */
export async function untilRight(
  wrong: () => Promise<string[]>,
  { describe, ...options }: UntilOptions & { describe: string },
): Promise<number> {
  const begun = performance.now();
  let last: string[] = [];
  const right = async () => {
    last = await wrong();
    return last.length === 0;
  };
  await until(right, { ...options, describe: () => `${describe}; still wrong: ${last.join("; ")}` });
  return performance.now() - begun;
}
