import { type Model, type QueryFilter, Types } from "mongoose";
import type { Declaration } from "../../cache/declaration.ts";
import { parsedOnce } from "../../cache/parsed.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { ByIds, ByScore, Cache } from "../../cache/types.ts";
import { type SeenUser, shownFields, touchedBy, userChanges } from "../changes.ts";
import type { UserRecord } from "../models/user.ts";
import { toCard } from "../services/records.ts";
import { countOf, isId, isUser, singleUser, timeOf, toldName, toldTime, untold } from "../services/stored.ts";
import type { UserCard } from "../services/types.ts";
import { byText } from "./order.ts";

/** A user as others see them; `active` is when they were seen, as MongoDB orders it, and 0 where that is not known. */
export interface ListedUser {
  readonly card: UserCard;
  readonly active: number;
  readonly rev: number;
}

export type UserSlice = ByIds | ByScore;
export type UserCache = Cache<ListedUser, UserSlice>;

export const cardFields = { nickname: 1, role: 1, status: 1, createdAt: 1, lastActive: 1, rev: 1 } as const;
const mostIds = 400;
const mostParsed = 5_000;

function toListed(record: UserRecord): ListedUser {
  return { card: toCard(record), active: timeOf(record.lastActive)?.getTime() ?? 0, rev: countOf(record.rev) ?? 0 };
}

/** Those of them that are users. */
export const listedIn = (found: readonly UserRecord[]): ListedUser[] => found.filter(isUser).map(toListed);
/** For queries: everybody that can be called by a name. */
export const everybody = { nickname: toldName, ...singleUser };

export function userElement({ card, active, rev }: ListedUser): Element {
  const lastActive = active === 0 ? null : card.lastActive;
  return { id: card.id, text: JSON.stringify({ ...card, lastActive, rev }), rank: active };
}

export function listedUser({ text }: Element): ListedUser {
  const { rev, createdAt, lastActive, ...rest } = JSON.parse(text);
  const made = new Date(createdAt);
  const seen = lastActive === null ? made : new Date(lastActive);
  return {
    card: { ...rest, createdAt: made, lastActive: seen },
    active: lastActive === null ? 0 : seen.getTime(),
    rev,
  };
}

const byActivity = (a: ListedUser, b: ListedUser) => b.active - a.active || byText(b.card.id, a.card.id);

function isAfter(user: ListedUser, after: ByScore["after"]): boolean {
  if (!after) return true;
  return user.active < after.score || (user.active === after.score && byText(user.card.id, after.id) < 0);
}

function pick(all: readonly ListedUser[], slice: UserSlice): readonly ListedUser[] {
  if ("ids" in slice) {
    const wanted = new Set(slice.ids);
    return all.filter(({ card }) => wanted.has(card.id));
  }
  return all
    .filter((user) => isAfter(user, slice.after))
    .sort(byActivity)
    .slice(0, slice.count);
}

function seenBefore({ score, id }: { score: number; id: string }): QueryFilter<UserRecord> {
  const at = new Date(score);
  const same = { lastActive: at, _id: { $lt: new Types.ObjectId(id) } };
  return { $or: [{ lastActive: { ...toldTime, $lt: at } }, same] };
}

/** Those last seen first, then those of whom that is not known. */
async function loadPage(users: Model<UserRecord>, { count, after }: ByScore): Promise<UserRecord[]> {
  const find = (filter: QueryFilter<UserRecord>) => users.find({ ...everybody, ...filter }, cardFields);
  const known = after ? seenBefore(after) : { lastActive: toldTime };
  const seen =
    after?.score === 0 ? [] : await find(known).sort({ lastActive: -1, _id: -1 }).limit(count).lean<UserRecord[]>();
  if (seen.length === count) return seen;
  const further = after?.score === 0 ? { _id: { $lt: new Types.ObjectId(after.id) } } : {};
  const unknown = { ...untold("lastActive"), ...further };
  const others = await find(unknown)
    .sort({ _id: -1 })
    .limit(count - seen.length)
    .lean<UserRecord[]>();
  return [...seen, ...others];
}

export async function loadUsers(users: Model<UserRecord>, slice: UserSlice): Promise<ListedUser[]> {
  if (!("ids" in slice)) return listedIn(await loadPage(users, slice));
  const these = { _id: { $in: slice.ids.map((id) => new Types.ObjectId(id)) } };
  return listedIn(await users.find(these, cardFields).lean<UserRecord[]>());
}

interface Options {
  users: Model<UserRecord>;
  shape: Shape<UserSlice>;
  ttlSeconds: number;
}

/** `cache:users:list`: every user by activity, with what others may see of them. */
export function userDeclaration({ users, shape, ttlSeconds }: Options): Declaration<ListedUser, UserSlice> {
  const drop = { key: "", drop: "a user was changed past this server" };
  return {
    name: "users",
    shape,
    key: () => "cache:users:list",
    ttlSeconds,
    freshness: { class: "bounded", ms: 1_000 },
    async load() {
      const all = await users
        .find(everybody, cardFields)
        .sort({ nickname: 1 })
        .readConcern("majority")
        .lean<UserRecord[]>();
      return listedIn(all);
    },
    loadSlice: (_key, slice) => loadUsers(users, slice),
    pick,
    byIds: (ids) => ({ ids }),
    fits: (slice) => !("ids" in slice) || slice.ids.length <= mostIds,
    id: ({ card }) => card.id,
    element: userElement,
    entry: parsedOnce(listedUser, mostParsed),
    version: ({ rev }) => rev,
    compare: (a, b) => byText(a.card.nickname, b.card.nickname) || byText(a.card.id, b.card.id),
    follow: {
      collection: "users",
      pipeline: userChanges,
      read(change) {
        const seen = change as unknown as SeenUser;
        const { operationType, documentKey, fullDocument } = seen;
        if (operationType === "insert" && fullDocument) return { key: "", entries: listedIn([fullDocument]) };
        if (operationType !== "update" || !documentKey) return drop;
        if (!isId(documentKey._id)) return undefined;
        const id = documentKey._id.toHexString();
        const rev = countOf(seen.updateDescription?.updatedFields?.rev);
        if (rev !== undefined) return { key: "", id, version: rev };
        const touched = touchedBy(seen);
        if (touched.includes("rev")) return drop;
        return touched.some((name) => shownFields.includes(name)) ? { key: "", adopt: id } : undefined;
      },
      async adopt(_key, ids) {
        const these = { _id: { $in: ids.map((id) => new Types.ObjectId(id)) } };
        await users.updateMany(these, { $inc: { rev: 1 } });
        return loadUsers(users, { ids });
      },
    },
  };
}
