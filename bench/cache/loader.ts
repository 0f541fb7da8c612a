import { startChild } from "../stage/processes.ts";
import type { Order, Result } from "./load.ts";

/** Another process beside this one, so that the load has a processor of its own. */
export function createLoader() {
  const child = startChild("../cache/load");
  return {
    async run(order: Order): Promise<Result> {
      const { result, error } = (await child.ask(order)) as { result: Result; error?: string };
      if (error) throw new Error(error);
      return result;
    },
    close: child.close,
  };
}
