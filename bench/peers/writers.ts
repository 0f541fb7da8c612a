import type { Db } from "mongodb";
import mongoose from "mongoose";
import type { Visitor } from "../cache/seed.ts";

/** Writes straight into MongoDB, for whoever is to hear of them: users who were active, channels that come and go. */
export function beginPlainWrites(db: Db, visitors: readonly Visitor[], perSecond = 5) {
  let count = 0;
  let turn = 0;
  const collections = { users: db.collection("users"), channels: db.collection("channels") };
  const write = async () => {
    turn += 1;
    const _id = new mongoose.mongo.ObjectId(visitors[turn % visitors.length]?.id);
    await collections.users.updateOne({ _id }, { $set: { lastActive: new Date() } });
    count += 1;
    if (turn % perSecond > 0) return;
    const about = { type: "text", description: "for a moment", createdBy: "somebody", createdAt: new Date() };
    await collections.channels.insertOne({
      id: `plain-${turn}`,
      name: `Plain ${turn}`,
      position: 900 + turn,
      ...about,
    });
    await collections.channels.deleteOne({ id: `plain-${turn - 3 * perSecond}` });
    count += 2;
  };
  const timer = setInterval(() => void write().catch(() => {}), 1_000 / perSecond);
  return {
    get count() {
      return count;
    },
    async close() {
      clearInterval(timer);
      await collections.channels.deleteMany({ id: /^plain-/ });
    },
  };
}
