import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { drillTopology } from "./topology/drill.ts";
import { sentinels } from "./topology/stage.ts";

const what = "a master, two replicas, three sentinels and two servers, as docker-compose.yml has them";

/** `npm run drill -- sentinel [NAME=value …]`, the values for the servers. */
export const run = (options: RunOptions): Promise<Report> => drillTopology("sentinel", what, sentinels, options);
