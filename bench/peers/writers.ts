import type { Db } from "mongodb";
import mongoose from "mongoose";
import { createSchedule, type Done } from "../stage/schedule.ts";
import type { Visitor } from "../stage/seed.ts";

interface Told {
  visitors: readonly Visitor[];
  /** Where something is said, one after the other. */
  rooms: readonly string[];
}

const livesTurns = 3;

/** Writes straight into MongoDB, for whoever is to hear of them: users who were active, words, channels that come and go. */
export function beginPlainWrites(db: Db, { visitors, rooms }: Told): { close(): Promise<Done[]> } {
  const users = db.collection("users");
  const channels = db.collection("channels");
  const messages = db.collection("messages");
  const turns = { users: 0, channels: 0, messages: 0 };
  const schedule = createSchedule();

  schedule.every(200, "users who were active", async () => {
    const _id = new mongoose.mongo.ObjectId(visitors[turns.users++ % visitors.length]?.id);
    await users.updateOne({ _id }, { $set: { lastActive: new Date() } });
  });
  schedule.every(200, "messages", async () => {
    const turn = turns.messages++;
    const [author, channel] = [visitors[turn % visitors.length]?.nickname, rooms[turn % rooms.length]];
    const text = `What is said past everybody for the ${turn}th time.`;
    const about = { type: "public", target: null, status: "delivered", replyTo: null };
    await messages.insertOne({ author, channel, text, timestamp: new Date(), ...about });
  });
  schedule.every(1_000, "channels made and removed", async () => {
    const turn = turns.channels++;
    const about = { type: "text", description: "for a moment", createdBy: "somebody", createdAt: new Date() };
    await channels.insertOne({ id: `plain-${turn}`, name: `Plain ${turn}`, position: 900 + turn, ...about });
    await channels.deleteOne({ id: `plain-${turn - livesTurns}` });
  });

  return {
    async close() {
      const done = await schedule.close();
      await channels.deleteMany({ id: /^plain-/ });
      return done;
    },
  };
}
