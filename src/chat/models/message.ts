import { type Connection, type Model, Schema, type Types } from "mongoose";
import type { MessageType } from "../services/types.ts";

export interface MessageRecord {
  _id: Types.ObjectId;
  author: string;
  text: string;
  channel: string;
  type?: MessageType;
  target?: string | null;
  timestamp?: Date | null;
  status?: string;
  replyTo?: Types.ObjectId | null;
}

const schema = new Schema<MessageRecord>(
  {
    author: { type: String, required: true },
    text: { type: String, required: true },
    channel: { type: String, required: true },
    type: { type: String, enum: ["public", "private", "system"], default: "public" },
    target: { type: String, default: null },
    timestamp: { type: Date, required: true },
    status: { type: String, default: "delivered" },
    replyTo: { type: Schema.Types.ObjectId, default: null },
  },
  { versionKey: false, autoIndex: false, autoCreate: false },
);

export function messageModel(connection: Connection): Model<MessageRecord> {
  return connection.model<MessageRecord>("Message", schema, "messages");
}
