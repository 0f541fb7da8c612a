import { existsSync } from "node:fs";
import { createAnnouncer } from "./announcer.ts";
import { createApp } from "./app.ts";
import { loadConfig } from "./config/load.ts";
import { loadSecrets } from "./config/secrets.ts";
import { withDatabases } from "./embedded/index.ts";
import { ConfigError, StartError } from "./kernel/errors.ts";
import { createLifecycle } from "./kernel/lifecycle.ts";
import { databasesLine, wrongSettings } from "./start-lines.ts";

async function start(): Promise<void> {
  const config = loadConfig(process.env);
  const { log, say } = createAnnouncer(config);
  const life = createLifecycle(log, { stepMs: config.SHUTDOWN_TIMEOUT, totalMs: 9_800 });
  let asked = 0;
  const stop = () => {
    if (++asked > 1) process.exit(1);
    say("Stopping …");
    life.close().then(() => process.exit(process.exitCode ?? 0));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  // Of several that were started together, each ends when that process does.
  process.on("disconnect", () => (asked > 0 ? undefined : stop()));
  try {
    say(`sluice is starting (${config.NODE_ENV}).`);
    for (const wrong of wrongSettings(config, process.env)) log.warn({}, wrong);
    const { PATH: searchPath, XDG_CACHE_HOME: xdgCacheHome } = process.env;
    const whole = await withDatabases(config, { searchPath, xdgCacheHome, life, log, say });
    say(`  ${databasesLine(whole)}`);
    const app = life.own("the chat", await createApp({ config: whole, secrets: loadSecrets(whole), log }), (chat) =>
      chat.close(),
    );
    if (life.closing) return await app.close();
    const host = ["127.0.0.1", "0.0.0.0", "::1", "::"].includes(config.HOST) ? "localhost" : config.HOST;
    const url = `http://${host}:${app.port}`;
    say(`sluice is ready at ${url}`, [
      `health of Redis: ${url}/health/redis   metrics: ${url}/metrics`,
      ...(app.consolePath ? [`console: ${url}${app.consolePath}`] : []),
      ...(existsSync(config.DATA_DIR)
        ? [`data, secrets and logs of this machine's own databases: ${config.DATA_DIR}/`]
        : []),
      "Ctrl-C stops it, and what it started.",
    ]);
  } catch (error) {
    await life.close();
    throw error;
  }
}

start().catch((error: unknown) => {
  const plain = error instanceof ConfigError || error instanceof StartError;
  process.stderr.write(`${plain ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
