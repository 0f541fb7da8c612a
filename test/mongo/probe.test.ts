import mongoose from "mongoose";
import { describe, it } from "vitest";
import { systemClock } from "../../src/kernel/clock.ts";
import { createMongoProbe } from "../../src/mongo/probe.ts";
import { startMongod } from "../support/mongod.ts";
import { until } from "../support/until.ts";

describe("the probe of MongoDB", () => {
  it("answers at once, tells that a frozen MongoDB does not, and that it does again", async () => {
    const server = await startMongod();
    const client = new mongoose.mongo.MongoClient(server.url);
    await client.connect();
    const probe = createMongoProbe({ db: client.db(), clock: systemClock, everyMs: 300, deadlineMs: 300 });
    try {
      await until(() => probe.latest?.ok && probe.latest.value < 0.3);

      server.freeze();
      await until(() => probe.latest?.ok === false && probe.latest.reason === "unanswered");
      server.thaw();
      await until(() => probe.latest?.ok);

      await server.kill();
      await until(() => probe.latest?.ok === false);
      await server.start();
      await until(() => probe.latest?.ok, { timeoutMs: 15_000 });
    } finally {
      probe.close();
      await client.close();
      await server.remove();
    }
  }, 60_000);
});
