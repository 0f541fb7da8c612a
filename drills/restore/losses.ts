import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type mongoose from "mongoose";
import type { Chat } from "../../test/support/chat.ts";
import type { Deployed } from "../../test/support/deployment.ts";
import type { RunLines } from "../../test/support/pages.ts";
import type { Ear } from "../../test/support/sockets.ts";
import type { Traffic } from "../topology/traffic.ts";
import type { Member } from "./mongod.ts";
import { redisBackup, redisRestore, type } from "./page.ts";

export interface Stage {
  readonly redis: Deployed;
  readonly member: Member;
  readonly db: mongoose.mongo.Db;
  /** Beside docker-compose.yml, as the page has it. */
  readonly shell: RunLines;
  readonly env: Record<string, string>;
  readonly chat: Chat;
  readonly folder: string;
  readonly seconds: number;
  readonly traffic: Traffic;
  readonly texts: string[];
  readonly ear: Ear;
}

export interface Loss {
  readonly fault: string;
  readonly of: "Redis" | "MongoDB";
  /** Redis's disk survives. */
  readonly survives?: boolean;
  backup?(stage: Stage, copy: string): Promise<unknown>;
  /** By an operator, until the store runs again. */
  restore(stage: Stage, copy: string): Promise<unknown>;
}

async function emptied({ redis }: Stage): Promise<void> {
  await rm(redis.dir, { recursive: true, force: true });
  await mkdir(redis.dir);
}

export const losses: readonly Loss[] = [
  {
    fault: "Redis dies, its disk survives (AOF)",
    of: "Redis",
    survives: true,
    restore: ({ redis }) => redis.start(),
  },
  {
    fault: "Redis's disk is lost: a snapshot (RDB)",
    of: "Redis",
    backup: ({ shell }) => type(shell, redisBackup),
    async restore(stage) {
      await emptied(stage);
      await type(stage.shell, redisRestore);
    },
  },
  {
    fault: "Redis's disk is lost: a copy of the AOF",
    of: "Redis",
    backup: ({ redis }, copy) => cp(join(redis.dir, "appendonlydir"), copy, { recursive: true }),
    async restore(stage, copy) {
      await emptied(stage);
      await cp(copy, join(stage.redis.dir, "appendonlydir"), { recursive: true });
      await stage.redis.start();
    },
  },
  {
    fault: "Redis's disk is lost: no backup",
    of: "Redis",
    async restore(stage) {
      await emptied(stage);
      await stage.redis.start();
    },
  },
  {
    fault: "MongoDB's disk is lost: a copy of its files",
    of: "MongoDB",
    backup: ({ member }, copy) => member.backup(copy),
    restore: ({ member }, copy) => member.restore(copy),
  },
];
