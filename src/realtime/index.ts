export { createRealtime } from "./server.ts";
