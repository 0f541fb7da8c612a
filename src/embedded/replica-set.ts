import mongoose from "mongoose";
import { ask, LOOPBACK } from "./ports.ts";
import { poll } from "./server.ts";

export const REPLICA_SET = "sluice";

type Admin = ReturnType<mongoose.mongo.Db["admin"]>;

interface SetConfig {
  version: number;
  members: { _id: number; host: string }[];
}

// While a mongod still reads its configuration it may say first that it has none and then that it has one.
const NOT_YET = new Set([
  "AlreadyInitialized",
  "ConfigurationInProgress",
  "InterruptedDueToReplStateChange",
  "NotWritablePrimary",
  "NotYetInitialized",
]);

const codeOf = (error: unknown) => (error as { codeName?: string }).codeName ?? "";

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
  if (!config) {
    await admin.command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }] } });
    return;
  }
  const [member] = config.members;
  if (!member || member.host === host) return;
  const renamed = { ...config, version: config.version + 1, members: [{ ...member, host }] };
  await admin.command({ replSetReconfig: renamed, force: true });
}

async function isPrimary(admin: Admin, host: string): Promise<true | undefined> {
  if ((await admin.command({ hello: 1 })).isWritablePrimary) return true;
  await nameMember(admin, host).catch((error: unknown) => {
    if (!NOT_YET.has(codeOf(error))) throw error;
  });
  return undefined;
}

async function isProcess(admin: Admin, pid: number): Promise<true | undefined> {
  return Number((await admin.serverStatus()).pid) === pid ? true : undefined;
}

/** A mongod closes every connection when it finds that its set does not name it. */
const orNotYet = (question: Promise<true | undefined>) =>
  question.catch((error: unknown) => {
    if (error instanceof mongoose.mongo.MongoNetworkError) return undefined;
    throw error;
  });

/** Waits for the mongod (`pid`: that very one) and makes it the primary of its one-node replica set. */
export async function makePrimary(port: number, signal: AbortSignal, pid?: number): Promise<void> {
  await poll(signal, () => ask(port));
  const client = new mongoose.mongo.MongoClient(`mongodb://${LOOPBACK}:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 5_000,
  });
  try {
    const admin = client.db("admin").admin();
    if (pid !== undefined) await poll(signal, () => orNotYet(isProcess(admin, pid)));
    await poll(signal, () => orNotYet(isPrimary(admin, `${LOOPBACK}:${port}`)));
  } finally {
    await client.close();
  }
}
