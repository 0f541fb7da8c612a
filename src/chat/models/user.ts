import { type Connection, type Model, Schema, type Types } from "mongoose";
import type { Role, UserStatus } from "../services/types.ts";

export interface Warning {
  reason: string;
  issuedBy: string;
  issuedAt: Date;
  expires: Date | null;
}

/** As stored. Fields after `createdAt` may be missing in documents of the old server; others it wrote survive unseen. */
export interface UserRecord {
  _id: Types.ObjectId;
  nickname: string;
  email: string;
  password: string;
  role: Role;
  status: UserStatus;
  createdAt?: Date;
  lastActive?: Date;
  banned?: boolean;
  banReason?: string | null;
  banExpires?: Date | null;
  warnings?: Warning[];
  muteExpires?: Date | null;
  /** Sessions and tokens that began before are dead; set by a ban and by the logout of a token without a handle. */
  sessionsEndedAt?: Date | null;
  /** Raised by each write of this server, so that of two images of a user the newer is known. */
  rev?: number;
}

const schema = new Schema<UserRecord>(
  {
    nickname: { type: String, required: true },
    email: { type: String, required: true },
    password: { type: String, required: true },
    role: { type: String, default: "member" },
    status: { type: String, default: "offline" },
    createdAt: { type: Date, default: Date.now },
    lastActive: { type: Date, default: Date.now },
    banned: { type: Boolean, default: false },
    banReason: { type: String, default: null },
    banExpires: { type: Date, default: null },
    warnings: {
      type: [new Schema<Warning>({ reason: String, issuedBy: String, issuedAt: Date, expires: Date }, { _id: false })],
      default: [],
    },
    muteExpires: { type: Date, default: null },
    sessionsEndedAt: { type: Date },
    rev: { type: Number },
  },
  { versionKey: false, autoIndex: false, autoCreate: false },
);

export function userModel(connection: Connection): Model<UserRecord> {
  return connection.model<UserRecord>("User", schema, "users");
}
