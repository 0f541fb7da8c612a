import type { Db, MongoClient } from "mongodb";

/**
 * What an app gives of its own driver: another version of it than ours, or mongoose's, whose classes are not ours for
 * TypeScript, although they can do the same.
 */
export interface GivenDb {
  readonly databaseName: string;
  collection(name: string): object;
  command(command: { ping: number }): Promise<unknown>;
}

export interface GivenClient {
  db(name?: string): GivenDb;
}

/** Whatever its URL says: a secondary may not have heard yet of what ended. */
const atPrimary = { readPreference: "primary" } as const;

export const ourDbOf = (client: GivenClient, name?: string): Db =>
  (client as unknown as MongoClient).db(name, atPrimary);
export const ourDb = (db: GivenDb): Db => ourDbOf((db as unknown as Db).client, db.databaseName);
