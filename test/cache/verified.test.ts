import { expect, it } from "vitest";
import { createVerifiedTokens } from "../../src/chat/hot/verified.ts";
import type { Caller } from "../../src/chat/routes/guard.ts";

const standing = { id: "u1", nickname: "ann", role: "member", banned: false, muteExpires: null, endedBefore: null };
const caller = { standing } as Caller;

it("a token is not kept that was looked up while a revocation could not be heard, though all is heard by its end", () => {
  let heard = false;
  const tokens = createVerifiedTokens({ believed: () => heard });
  const mark = tokens.mark();
  heard = true;
  tokens.keep("Bearer a", caller, Number.POSITIVE_INFINITY, mark);
  expect(tokens.find("Bearer a")).toBeUndefined();
  tokens.keep("Bearer a", caller, Number.POSITIVE_INFINITY, tokens.mark());
  expect(tokens.find("Bearer a")).toBe(caller);
});

it("a token is not kept that was revoked while it was looked up", () => {
  const tokens = createVerifiedTokens({ believed: () => true });
  const mark = tokens.mark();
  tokens.forgetUser("u1");
  tokens.keep("Bearer a", caller, Number.POSITIVE_INFINITY, mark);
  expect(tokens.find("Bearer a")).toBeUndefined();
});
