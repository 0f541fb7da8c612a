import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { drillTopology } from "./topology/drill.ts";
import { cluster } from "./topology/stage.ts";

const what = "three masters with a replica each and two servers, as docker-compose.yml has them";

/** `npm run drill -- cluster [NAME=value …]`, the values for the servers. */
export const run = (options: RunOptions): Promise<Report> => drillTopology("cluster", what, cluster, options);
