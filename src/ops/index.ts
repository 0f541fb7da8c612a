export type { Check, Checks, Figure, Status } from "./checks.ts";
export type { Phase } from "./health.ts";
export { changeKillSwitch } from "./kill-switch.ts";
export type { Theme } from "./metrics.ts";
export { createOps, type Ops, type OpsOptions } from "./ops.ts";
export { plainLine } from "./plain-log.ts";
export { serverIdOf } from "./server-id.ts";
