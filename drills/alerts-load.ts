import type { RunOptions } from "../bench/support/conduct.ts";
import { burdens } from "./alerts/acts.ts";
import { drillAlerts } from "./alerts/drill.ts";

/** Caches that lie or miss, a Redis that is slow, a server that is busy: `npm run drill -- alerts-load [act]`. */
export const run = (options: RunOptions) => drillAlerts("alerts-load", burdens, options);
