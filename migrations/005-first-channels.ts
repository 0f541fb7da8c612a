import mongoose from "mongoose";
import { type MigrationContext, takeAway } from "../src/mongo/migration.ts";

const first = [
  { id: "general", name: "General", type: "text", position: 0 },
  { id: "voice-chat", name: "Voice Chat", type: "voice", position: 1 },
];

/** A chat always has somewhere to talk. */
export async function up({ db, claim }: MigrationContext): Promise<void> {
  const channels = db.collection("channels");
  for (const channel of first) {
    if (await channels.findOne({ id: channel.id }, { projection: { _id: 1 } })) continue;
    const _id = new mongoose.Types.ObjectId();
    await claim.willMake({ kind: "document", collection: "channels", id: _id });
    const now = new Date();
    const rights = { parent: null, permissions: { read: "everyone", write: "everyone" }, locked: false };
    const made = { _id, ...channel, createdBy: "system", createdAt: now, updatedAt: now, ...rights };
    await channels.updateOne({ id: channel.id }, { $setOnInsert: made }, { upsert: true });
  }
}

export const down = takeAway;
