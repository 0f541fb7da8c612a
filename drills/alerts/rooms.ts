import type { mongo } from "mongoose";

const rooms = 60;
const messages = 50;
const words = "word ".repeat(200);

export const roomPaths = Array.from({ length: rooms }, (_, at) => `/api/channels/room-${at}/messages`);

/** More rooms with longer pasts than a small Redis can hold. */
export async function makeRooms(db: mongo.Db): Promise<void> {
  const since = Date.now() - 3_600_000;
  const ids = Array.from({ length: rooms }, (_, at) => `room-${at}`);
  await db.collection("channels").insertMany(
    ids.map((id, at) => ({
      id,
      name: id,
      type: "text",
      position: at + 10,
      createdBy: "system",
      createdAt: new Date(since),
    })),
  );
  await db.collection("messages").insertMany(
    ids.flatMap((channel) =>
      Array.from({ length: messages }, (_, at) => ({
        ...{ author: "somebody", channel, type: "public", target: null, status: "delivered" },
        text: `${at} ${words}`,
        timestamp: new Date(since + at * 1_000),
      })),
    ),
  );
}
