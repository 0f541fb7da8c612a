import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedMongo } from "../../src/embedded/index.ts";
import { StartError } from "../../src/kernel/errors.ts";
import { long } from "../support/long.ts";
import { createCleanup, optionsFor, outerAddresses, portOf, reachable, withMongo } from "./support.ts";

/** The promise is 5 s; the rest is for a busy machine. */
const AGAIN_WITHIN_MS = 5_000 + (long ? 0 : 5_000);

const cleanup = createCleanup();
afterEach(() => cleanup.run());

function occupy(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject).listen(port, "127.0.0.1", () => resolve(server));
  });
}

describe("an embedded MongoDB", () => {
  test("keeps its data and its port between starts, and starts again within 5 s", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = cleanup.add(await startEmbeddedMongo(options));
    await withMongo(first.url, (db) => db.collection("kept").insertOne({ word: "here" }));
    await first.close();

    const began = Date.now();
    const second = cleanup.add(await startEmbeddedMongo(options));
    const took = Date.now() - began;
    console.log(`second start of the embedded MongoDB: ${took} ms`);
    expect(took).toBeLessThan(AGAIN_WITHIN_MS);
    expect(second.url).toBe(first.url);
    expect(await withMongo(second.url, (db) => db.collection("kept").countDocuments({ word: "here" }))).toBe(1);
  });

  test("is primary again on another port when its own is taken, with its data", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = cleanup.add(await startEmbeddedMongo(options));
    await withMongo(first.url, (db) => db.collection("kept").insertOne({ word: "moved" }));
    await first.close();
    cleanup.add(await occupy(portOf(first.url)));

    const second = cleanup.add(await startEmbeddedMongo(options));
    expect(portOf(second.url)).not.toBe(portOf(first.url));
    await withMongo(second.url, async (db) => {
      expect(await db.collection("kept").countDocuments({ word: "moved" })).toBe(1);
      await db.collection("kept").insertOne({ word: "writable" });
    });
  });

  test("gives a folder to one of two starts at the same time, and tells the other who has it", async () => {
    const options = optionsFor(await cleanup.folder());
    const [one, two] = await Promise.allSettled([startEmbeddedMongo(options), startEmbeddedMongo(options)]);
    for (const start of [one, two]) if (start.status === "fulfilled") cleanup.add(start.value);
    const refused = [one, two].filter((start) => start.status === "rejected").map((start) => start.reason);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toBeInstanceOf(StartError);
    expect(String(refused[0])).toContain(`in use by process ${process.pid}`);
  });

  test("says what stopped a start, in the words of the program", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = cleanup.add(await startEmbeddedMongo(options));
    await first.close();
    const catalogue = join(options.dataDir, `mongo-${first.version.split(".")[0]}`, "data", "WiredTiger.wt");
    await writeFile(catalogue, "not a database");
    await expect(startEmbeddedMongo(options)).rejects.toThrow(
      /MongoDB .* ended at its start with code \d+: .*WiredTiger/,
    );
  });
});

describe("a running embedded MongoDB", () => {
  const kept = createCleanup();
  const said: string[] = [];
  let url = "";
  beforeAll(async () => {
    const dataDir = await kept.folder();
    await mkdir(join(dataDir, "mongo-4"));
    url = kept.add(await startEmbeddedMongo(optionsFor(dataDir, { say: (line) => said.push(line) }))).url;
  });
  afterAll(() => kept.run());

  test("has transactions and change streams", async () => {
    await withMongo(url, async (db) => {
      const things = db.collection("things");
      await things.insertOne({ name: "before" });
      const stream = things.watch();
      const seen: unknown[] = [];
      stream.on("change", (change) => seen.push(change.operationType === "insert" && change.fullDocument.name));
      await new Promise((resolve) => stream.once("resumeTokenChanged", resolve));

      const undone = db.client.withSession((session) =>
        session.withTransaction(async () => {
          await things.insertOne({ name: "undone" }, { session });
          throw new Error("changed my mind");
        }),
      );
      await expect(undone).rejects.toThrow("changed my mind");
      await db.client.withSession((session) =>
        session.withTransaction(() => things.insertOne({ name: "done" }, { session })),
      );

      await expect.poll(() => seen, { timeout: 10_000 }).toEqual(["done"]);
      expect(await things.distinct("name")).toEqual(["before", "done"]);
      await stream.close();
    });
  });

  test("cannot be reached from other hosts", async () => {
    expect(await reachable("127.0.0.1", portOf(url))).toBe(true);
    for (const address of outerAddresses()) expect(await reachable(address, portOf(url)), address).toBe(false);
  });

  test("says where it runs, and which data of another version it does not use", async () => {
    expect(said[0]).toContain("stays in mongo-4");
    expect(said.at(-1)).toMatch(/^MongoDB \d+\.\d+\.\d+ \(.+\) runs at 127\.0\.0\.1:\d+, its data is in /);
  });
});
