import { startEmbeddedMongo, startEmbeddedRedis } from "../../src/embedded/index.ts";
import { optionsFor, withMongo } from "./support.ts";

// A process of its own that keeps both databases, to be ended in every way a process ends.
const options = optionsFor(process.argv[2] ?? "");
const [mongo, redis] = await Promise.all([startEmbeddedMongo(options), startEmbeddedRedis(options)]);
await withMongo(mongo.url, (db) => db.collection("kept").insertOne({ word: "held" }, { writeConcern: { j: true } }));

process.once("SIGINT", async () => {
  await withMongo(mongo.url, (db) => db.collection("kept").insertOne({ word: "after Ctrl-C" }));
  await Promise.all([mongo.close(), redis?.close()]);
  console.log("closed");
  process.exit(0);
});
console.log("held");
