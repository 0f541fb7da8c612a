import { type Connection, type Model, Schema } from "mongoose";

export interface EmojiRecord {
  _id: string;
  count: number;
}

const schema = new Schema<EmojiRecord>(
  { _id: { type: String, required: true }, count: { type: Number, required: true } },
  { versionKey: false, autoIndex: false, autoCreate: false },
);

export function emojiModel(connection: Connection): Model<EmojiRecord> {
  return connection.model<EmojiRecord>("EmojiCount", schema, "emoji_counts");
}
