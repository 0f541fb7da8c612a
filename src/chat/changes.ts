import type { Document } from "mongodb";
import type { Types } from "mongoose";
import type { MessageRecord } from "./models/message.ts";
import type { UserRecord } from "./models/user.ts";
import { standingFields } from "./services/records.ts";

/**
 * What is sent of a change to those who follow a collection: one pipeline each, so that all of them share one stream.
 * Of an update the names of its fields, and only those values that somebody looks at; never a password.
 */

interface Seen {
  readonly operationType: string;
  readonly documentKey?: { readonly _id: Types.ObjectId };
  /** Names of what an update has set, and of what it has removed. */
  readonly fields?: readonly string[] | null;
  readonly removed?: readonly string[];
}

export interface SeenUser extends Seen {
  readonly updateDescription?: { readonly updatedFields?: Partial<UserRecord> };
  readonly fullDocument?: UserRecord;
}

export interface SeenMessage extends Seen {
  readonly fullDocument?: MessageRecord;
}

const updated = "updateDescription.updatedFields";
const names = {
  operationType: 1,
  documentKey: 1,
  fields: { $map: { input: { $objectToArray: `$${updated}` }, as: "one", in: "$$one.k" } },
  removed: "$updateDescription.removedFields",
} as const;
const all = (where: string, fields: readonly string[]) =>
  Object.fromEntries(fields.map((field) => [`${where}.${field}`, 1]));

/** Of a user, what others may see. */
export const shownFields: readonly string[] = ["nickname", "role", "status", "createdAt", "lastActive"];

export const ofMessage = { author: 1, text: 1, channel: 1, type: 1, target: 1, timestamp: 1 } as const;

export const userChanges: Document[] = [
  {
    $project: {
      ...names,
      ...all(updated, [...standingFields, "banReason", "rev"]),
      ...all("fullDocument", ["_id", ...shownFields, "rev"]),
    },
  },
];

export const messageChanges: Document[] = [
  { $project: { ...names, ...all("fullDocument", ["_id", ...Object.keys(ofMessage)]) } },
];

/** The names of what a change has touched. */
export const touchedBy = ({ fields, removed }: Seen): readonly string[] => [...(fields ?? []), ...(removed ?? [])];
