import { createEnds } from "../../test/support/ends.ts";

/** A start that fails leaves nothing of what it had begun: what stays would keep the whole run from ending. */
export async function allOrNothing<T>(start: (ends: ReturnType<typeof createEnds>) => Promise<T>): Promise<T> {
  const ends = createEnds();
  try {
    return await start(ends);
  } catch (error) {
    await ends.close();
    throw error;
  }
}
