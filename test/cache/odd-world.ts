import mongoose from "mongoose";

type Db = mongoose.mongo.Db;

const { Double, Long } = mongoose.mongo;
const minute = (n: number) => new Date(Date.UTC(2020, 0, 1, 0, n));
const idOf = (time: Date) => mongoose.Types.ObjectId.createFromTime(time.getTime() / 1_000);
const text = () => String(new Date());

/** The server makes dates that the driver cannot: beyond what a date of JavaScript tells. */
async function beyond(db: Db, collection: string, field: string, documents: object[]): Promise<void> {
  const aside = db.collection(`${collection}_aside`);
  await aside.insertMany(documents);
  await aside
    .aggregate([{ $set: { [field]: { $toDate: Long.fromNumber(9e15) } } }, { $merge: { into: collection } }])
    .toArray();
  await aside.drop();
}

async function insert(db: Db, collection: string, documents: object[]): Promise<void> {
  await db.collection(collection).insertMany(documents);
}

/** What a shell, an import or another program may leave in each collection, each odd in one thing. */
export async function oddDocuments(db: Db, { room, reader }: { room: string; reader: string }): Promise<void> {
  const dates = { createdAt: minute(1), lastActive: minute(2) };
  const person = (nickname: unknown, more: object = {}) => ({
    ...{ nickname, email: `${String(nickname)}@odd`, password: "odd", role: "member", status: "offline", ...dates },
    ...more,
  });
  const { nickname: _, ...nameless } = person("nameless");
  await insert(db, "users", [
    person("a text", { lastActive: text(), createdAt: text() }),
    person("a shell", { lastActive: 5, role: 7, status: null, rev: "none", banned: true, banExpires: text() }),
    person("a past", { lastActive: new Date(-1), createdAt: new Date(-1), rev: new Double(1.5) }),
    nameless,
    person(12),
    person("seen twice", { lastActive: [minute(2), minute(3)] }),
    person("", { email: "empty@odd" }),
    person("whose id is text", { _id: "text" }),
  ]);
  await beyond(db, "users", "lastActive", [person("a future")]);

  const place = (id: unknown, more: object = {}) => ({
    ...{ id, name: `${String(id)}`, type: "text", createdBy: "a shell", position: 9, createdAt: minute(3) },
    ...more,
  });
  await insert(db, "channels", [
    place("text-date", { createdAt: text() }),
    place("text-position", { position: "7", createdAt: minute(5) }),
    place("no-position", { position: new Double(Number.NaN), permissions: "admin", createdAt: minute(4) }),
    place("no-name", { name: 4, description: 5, locked: "yes" }),
    place(8),
    place(undefined),
  ]);

  const line = (words: unknown, more: object = {}) => ({
    ...{ author: "ann", text: words, channel: room, type: "public", target: null, timestamp: minute(9) },
    ...more,
  });
  const mine = { type: "private", target: reader };
  await insert(db, "messages", [
    line("a text date", { timestamp: text() }),
    line("a number", { timestamp: 5 }),
    line("no date", { _id: idOf(minute(0)), timestamp: null }),
    line("some dates", { timestamp: [minute(9), minute(10)] }),
    line("before time", { timestamp: new Date(-5) }),
    line("after all", { timestamp: new Date(Date.UTC(12_000, 0)) }),
    line(5, { timestamp: minute(10) }),
    line("no author", { author: null, timestamp: minute(11) }),
    line("an author of many", { author: ["ann", reader] }),
    line("another kind", { type: "loud" }),
    line("some kinds", { type: ["public", "private"] }),
    line("some rooms", { channel: [room, "general"] }),
    line("whose id is text", { _id: "text" }),
    line("mine", { ...mine, author: reader, target: "ann", timestamp: minute(12) }),
    line("mine, of a text date", { ...mine, timestamp: text() }),
    line("mine, of some authors", { ...mine, author: ["ann"] }),
  ]);
  await beyond(db, "messages", "timestamp", [line("beyond"), line("mine, beyond", mine)]);

  await insert(db, "emoji_counts", [
    { _id: "🎉", count: 7 },
    { _id: "🙈", count: "7" },
    { _id: "🙉", count: new Double(Number.NaN) },
    { _id: "🙊", count: -1 },
    { _id: "👍" },
    { _id: 5, count: 3 },
    { _id: "❤️", count: Long.MAX_VALUE },
  ]);
}
