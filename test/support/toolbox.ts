import mongoose from "mongoose";
import { createToolbox, type Toolbox, type ToolboxOptions } from "../../src/sessions/tools/toolbox.ts";
import { createRecorder } from "./recorder.ts";
import { redisDoor } from "./session-store.ts";
import { until } from "./until.ts";

export interface OpenToolbox {
  readonly box: Toolbox;
  close(): Promise<void>;
}

/** The tools as the operator's door has them: with links of their own to both databases. */
export async function openToolbox(
  mongoUrl: string,
  redisUrl: string,
  options: Partial<Omit<ToolboxOptions, "db" | "door">> = {},
): Promise<OpenToolbox> {
  const client = new mongoose.mongo.MongoClient(mongoUrl, { serverSelectionTimeoutMS: 2_000 });
  const door = redisDoor(redisUrl, createRecorder(), { REDIS_DEADLINE: "2s", REDIS_WATCHDOG: "5s" });
  door.start();
  await until(() => door.state === "up");
  return {
    box: createToolbox({ ...options, db: client.db(), door }),
    async close() {
      await door.close();
      await client.close(true);
    },
  };
}
