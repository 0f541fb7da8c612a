import { figureOf } from "../../test/support/metrics.ts";
import { until } from "../../test/support/until.ts";

const settledMs = 1_500;

/** Nothing in Redis is believed while a process begins, and its epoch is raised twice: that is no load. */
export async function begun(url: string): Promise<void> {
  let epoch = 0;
  let since = performance.now();
  await until(async () => {
    const now = await figureOf(url, "chat_session_epoch");
    const trusted = (await figureOf(url, "chat_session_read_from_redis")) === 1;
    if (now !== epoch || !trusted) since = performance.now();
    epoch = now;
    return performance.now() - since > settledMs;
  });
}
