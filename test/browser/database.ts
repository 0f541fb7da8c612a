import mongoose from "mongoose";

/** What only an operator of the chat could do, done in its database. */
async function inDatabase<T>(url: string, work: (db: mongoose.mongo.Db) => Promise<T>): Promise<T> {
  const client = new mongoose.mongo.MongoClient(url);
  try {
    return await work(client.db());
  } finally {
    await client.close();
  }
}

export const makeAdmin = (url: string, nickname: string) =>
  inDatabase(url, (db) => db.collection("users").updateOne({ nickname }, { $set: { role: "admin" } }));

/** A conversation of the past: `count` lines, one a minute, the last of them an hour ago. */
export const writePast = (url: string, channel: string, count: number) =>
  inDatabase(url, (db) =>
    db.collection("messages").insertMany(
      Array.from({ length: count }, (_, at) => ({
        author: "Archivist",
        text: `Past line ${at + 1}.`,
        channel,
        type: "public",
        target: null,
        status: "delivered",
        timestamp: new Date(Date.now() - 3_600_000 - (count - at) * 60_000),
      })),
    ),
  );
