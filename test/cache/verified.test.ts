import { expect, it } from "vitest";
import { createVerifiedTokens, nameOf, ofSession, ofUser, tokenLifeMs } from "../../src/chat/hot/verified.ts";
import type { Caller } from "../../src/chat/routes/guard.ts";

const standing = { id: "u1", nickname: "ann", role: "member", banned: false, muteExpires: null, endedBefore: null };
const caller = { standing, session: { sid: "s1", handle: "h1" } } as Caller;
const good = () => ({ caller, until: Date.now() + 60_000 });

it("a token is forgotten by its user and by its session, and by nobody else's", () => {
  const tokens = createVerifiedTokens({ heard: () => true, lifeMs: () => 60_000 });
  const known = () => {
    tokens.keep("Bearer a", good(), tokens.mark());
    expect(tokens.get("Bearer a")?.caller).toBe(caller);
  };
  known();
  tokens.forget(ofUser("u2"));
  tokens.forget(ofSession(nameOf("s2")));
  expect(tokens.get("Bearer a")).toBeDefined();
  tokens.forget(ofUser("u1"));
  expect(tokens.get("Bearer a")).toBeUndefined();
  known();
  tokens.forget(ofSession(nameOf("s1")));
  expect(tokens.get("Bearer a")).toBeUndefined();
});

it("a token is not kept beyond its own end", () => {
  const tokens = createVerifiedTokens({ heard: () => true, lifeMs: () => 60_000 });
  tokens.keep("Bearer a", { caller, until: Date.now() - 1 }, tokens.mark());
  expect(tokens.get("Bearer a")).toBeUndefined();
});

it("a token is looked at again after two minutes, sooner where nobody tells of revocations, and long before its session ends", () => {
  const day = 86_400_000;
  expect(tokenLifeMs(day, true)).toBe(120_000);
  expect(tokenLifeMs(day, false)).toBe(30_000);
  expect(tokenLifeMs(60_000, true)).toBe(3_000);
  const tokens = createVerifiedTokens({ heard: () => true, lifeMs: () => 0 });
  tokens.keep("Bearer a", good(), tokens.mark());
  expect(tokens.get("Bearer a")).toBeUndefined();
});
