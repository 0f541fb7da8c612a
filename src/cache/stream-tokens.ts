import type { Db, ResumeToken } from "mongodb";
import type { TokenStore } from "../mongo/watch-token.ts";

interface TokenDocument {
  _id: string;
  token: ResumeToken;
  at: Date;
}

/**
 * Where the followers of a collection are, one place for the whole fleet: what comes before it has been applied by somebody.
 * What a follower gathers for a moment is applied within a second, so the token of the time before is the one to keep.
 */
export function fleetTokens(db: Db, collection: string): TokenStore {
  const tokens = db.collection<TokenDocument>("caches_streams");
  let before: ResumeToken | undefined;
  return {
    load: async () => (await tokens.findOne({ _id: collection }))?.token,
    async save(token) {
      const applied = before;
      before = token;
      if (applied === undefined) return;
      await tokens.updateOne({ _id: collection }, { $set: { token: applied, at: new Date() } }, { upsert: true });
    },
  };
}
