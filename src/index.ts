/** The library: the whole chat as one function, and the parts that another Express chat adopts one by one. */
export { type App, type AppOptions, createApp } from "./app.ts";
export { type Config, loadConfig } from "./config/load.ts";
export { loadSecrets, type Secrets } from "./config/secrets.ts";
