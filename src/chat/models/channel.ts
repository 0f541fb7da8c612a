import { type Connection, type Model, Schema, type Types } from "mongoose";

export interface ChannelRecord {
  _id: Types.ObjectId;
  id: string;
  name: string;
  type: "text" | "voice";
  position: number;
  description?: string;
  createdBy: string;
  createdAt?: Date;
  updatedAt?: Date;
  parent?: string | null;
  permissions?: { read?: "everyone" | "admin"; write?: "everyone" | "admin" };
  locked?: boolean;
}

const access = { type: String, enum: ["everyone", "admin"], default: "everyone" };

const schema = new Schema<ChannelRecord>(
  {
    id: { type: String, required: true },
    name: { type: String, required: true },
    type: { type: String, enum: ["text", "voice"], required: true },
    position: { type: Number, default: 0 },
    description: { type: String },
    createdBy: { type: String, required: true },
    parent: { type: String, default: null },
    permissions: { read: access, write: access },
    locked: { type: Boolean, default: false },
  },
  { id: false, timestamps: true, versionKey: false, autoIndex: false, autoCreate: false },
);

export function channelModel(connection: Connection): Model<ChannelRecord> {
  return connection.model<ChannelRecord>("Channel", schema, "channels");
}
