import mongoose from "mongoose";
import { afterAll, describe, expect, test } from "vitest";
import { dropDatabase, mongoUrl, withDatabase } from "../support/databases.ts";
import { until } from "../support/until.ts";
import { withMongo } from "./support.ts";

const url = mongoUrl("databases of tests");
afterAll(() => dropDatabase(url));

describe("a test file", () => {
  test("has a database of its own, which one call drops", async () => {
    const other = mongoUrl("another file");
    expect(other).not.toBe(url);
    for (const own of [url, other]) await withMongo(own, (db) => db.collection("things").insertOne({ own }));
    await dropDatabase(other);
    expect(await withMongo(other, (db) => db.collection("things").countDocuments())).toBe(0);
    expect(await withMongo(url, (db) => db.collection("things").countDocuments())).toBe(1);
  });

  test("may connect to it by mongoose", async () => {
    const connection = await mongoose.createConnection(url).asPromise();
    expect(connection.name).toMatch(/^test-[0-9a-f]{8}-\d+-databases-of-tests$/);
    await connection.close();
  });

  test.each([
    ["mongodb://a:1", "mongodb://a:1/mine"],
    ["mongodb://a:1,b:2/theirs?replicaSet=rs0", "mongodb://a:1,b:2/mine?replicaSet=rs0"],
    ["mongodb://u:p@a:1/theirs", "mongodb://u:p@a:1/mine?authSource=theirs"],
    ["mongodb+srv://u:p@a/?authSource=x", "mongodb+srv://u:p@a/mine?authSource=x"],
  ])("finds its database on any server: %s", (given, own) => {
    expect(withDatabase(given, "mine")).toBe(own);
  });
});

describe("until", () => {
  test("answers what the condition answered", async () => {
    let asked = 0;
    expect(await until(() => ++asked > 2 && { asked }, { everyMs: 1 })).toEqual({ asked: 3 });
  });

  test("says what it waited for, and what the condition threw", async () => {
    const never = until(() => false, { timeoutMs: 20, everyMs: 1, describe: "a miracle" });
    await expect(never).rejects.toThrow("Waited 20 ms in vain for a miracle");
    const broken = () => {
      throw new Error("not there");
    };
    const failing = until(broken, { timeoutMs: 20, everyMs: 1, describe: () => ({ seen: 1 }) });
    await expect(failing).rejects.toThrow('Waited 20 ms in vain for {"seen":1} (it threw: not there)');
  });
});
