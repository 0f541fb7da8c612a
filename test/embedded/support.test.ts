import mongoose from "mongoose";
import { afterAll, expect, test } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";

const url = mongoUrl("support");
afterAll(() => dropDatabase(url));

test("a test file has a database of its own on a replica set", async () => {
  const connection = await mongoose.createConnection(url).asPromise();
  await connection.collection("things").insertOne({ a: 1 });
  expect(await connection.collection("things").countDocuments()).toBe(1);
  await connection.close();
});
