import type { Collection, IndexDescriptionInfo } from "mongodb";
import { duplicateKey } from "./errors.ts";
import type { MigrationContext } from "./migration.ts";

export type Keys = Readonly<Record<string, 1 | -1>>;

export interface IndexPlan {
  keys: Keys;
  unique?: true;
  expireAfterSeconds?: number;
  partialFilterExpression?: Record<string, unknown>;
  /** Keys of an index that serves the same queries. */
  orKeys?: Keys;
}

const nameOf = (keys: Keys) =>
  Object.entries(keys)
    .map(([field, way]) => `${field}_${way}`)
    .join("_");

const same = (a: object, b: object | undefined) => JSON.stringify(a) === JSON.stringify(b);

/** An index finds everything and sorts by bytes only when it is neither partial, sparse, hidden nor of a language. */
function serves(index: IndexDescriptionInfo, plan: IndexPlan): boolean {
  if (!same(plan.keys, index.key) && !(plan.orKeys && same(plan.orKeys, index.key))) return false;
  if (index.collation || index.sparse || index.hidden) return false;
  return same(plan.partialFilterExpression ?? {}, index.partialFilterExpression ?? {});
}

/** 85, 86: the server takes it for the same index with other options. */
function isConflict(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 85 || code === 86;
}

async function duplicates(collection: Collection, plan: IndexPlan): Promise<unknown[][]> {
  const fields = Object.keys(plan.keys);
  const groups = await collection
    .aggregate<{ ids: unknown[] }>(
      [
        { $group: { _id: Object.fromEntries(fields.map((field) => [field, `$${field}`])), ids: { $push: "$_id" } } },
        { $match: { "ids.1": { $exists: true } } },
        { $limit: 20 },
      ],
      { allowDiskUse: true },
    )
    .toArray();
  return groups.map(({ ids }) => ids);
}

async function ensureIndex(context: MigrationContext, collection: Collection, plan: IndexPlan): Promise<void> {
  const { log, claim } = context;
  const { keys, orKeys: _, ...options } = plan;
  const existing = await collection.indexes();
  const found = existing.find((index) => serves(index, plan));
  const where = { collection: collection.collectionName, keys };
  if (found && (!plan.unique || found.unique)) {
    if (plan.expireAfterSeconds !== undefined && found.expireAfterSeconds === undefined)
      log.warn(where, `${collection.collectionName}: its index ${found.name} does not remove what has expired`);
    return;
  }
  const taken = existing.some(({ name }) => name === nameOf(keys));
  const name = taken ? `${nameOf(keys)}_sluice` : nameOf(keys);
  await claim.willMake({ kind: "index", collection: collection.collectionName, name });
  try {
    await collection.createIndex(keys, { ...options, name });
  } catch (error) {
    if (isConflict(error)) {
      log.warn({ ...where, err: error }, `${collection.collectionName}: an index like ${name} stays as it is`);
    } else if (plan.unique && duplicateKey(error)) {
      const documents = await duplicates(collection, plan);
      const remedy = "rename or remove them, then migrate down to this migration and up again";
      log.warn({ ...where, documents }, `${collection.collectionName}: ${name} cannot be unique; ${remedy}`);
      if (!found) await collection.createIndex(keys, { name });
    } else throw error;
  }
}

/** Makes what is missing, one after the other; accepts what is there, and what the data do not allow, with a warning. */
export async function ensureIndexes(context: MigrationContext, name: string, plans: IndexPlan[]): Promise<void> {
  const { db, claim } = context;
  if ((await db.listCollections({ name }, { nameOnly: true }).toArray()).length === 0) {
    await claim.willMake({ kind: "collection", collection: name });
    await db.createCollection(name).catch(unlessThere);
  }
  const collection = db.collection(name);
  for (const plan of plans) await ensureIndex(context, collection, plan);
}

/** 48: somebody else has just made it. */
function unlessThere(error: unknown): void {
  if ((error as { code?: unknown }).code !== 48) throw error;
}
