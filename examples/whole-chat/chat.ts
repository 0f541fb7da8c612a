import { createApp, loadConfig, loadSecrets } from "sluice";

const config = loadConfig(process.env);
const chat = await createApp({ config, secrets: loadSecrets(config) });
console.log("listening at", { port: chat.port });
process.once("SIGTERM", () => chat.close());
