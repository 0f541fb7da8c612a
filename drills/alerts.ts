import type { RunOptions } from "../bench/support/conduct.ts";
import { faults } from "./alerts/acts.ts";
import { drillAlerts } from "./alerts/drill.ts";

/** Faults, their alerts, and the way out of the runbook: `npm run drill -- alerts [act]`. */
export const run = (options: RunOptions) => drillAlerts("alerts", faults, options);
