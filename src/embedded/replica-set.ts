import mongoose from "mongoose";
import { ask, LOOPBACK } from "./ports.ts";
import { poll } from "./server.ts";

export const REPLICA_SET = "sluice";

type Admin = ReturnType<mongoose.mongo.Db["admin"]>;

interface SetConfig {
  version: number;
  members: { _id: number; host: string }[];
}

const codeOf = (error: unknown) => (error as { codeName?: string }).codeName;

async function configOf(admin: Admin): Promise<SetConfig | undefined> {
  try {
    return (await admin.command({ replSetGetConfig: 1 })).config as SetConfig;
  } catch (error) {
    if (codeOf(error) === "NotYetInitialized") return undefined;
    throw error;
  }
}

/** A set whose data names another port has no member that is itself, hence no primary: the address is rewritten by force. */
async function nameMember(admin: Admin, host: string): Promise<void> {
  const config = await configOf(admin);
  const members = [{ _id: 0, host }];
  if (!config) await admin.command({ replSetInitiate: { _id: REPLICA_SET, members } });
  else if (config.members.length !== 1 || config.members[0]?.host !== host)
    await admin.command({
      replSetReconfig: {
        ...config,
        version: config.version + 1,
        members: [{ ...config.members[0], host }],
      },
      force: true,
    });
}

/** Waits for the mongod and makes it the primary of its one-node replica set. */
export async function makePrimary(port: number, signal: AbortSignal): Promise<void> {
  await poll(signal, () => ask(port));
  const client = new mongoose.mongo.MongoClient(`mongodb://${LOOPBACK}:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 5_000,
  });
  try {
    await client.connect();
    const admin = client.db("admin").admin();
    await nameMember(admin, `${LOOPBACK}:${port}`);
    await poll(signal, async () => ((await admin.command({ hello: 1 })).isWritablePrimary ? true : undefined));
  } finally {
    await client.close();
  }
}
