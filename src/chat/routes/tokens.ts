import { createSecretKey } from "node:crypto";
import jwt from "jsonwebtoken";

export interface TokenClaims {
  userId: string;
  nickname: string;
  role: string;
  csrfToken: string;
  /** Absent in tokens of the old server. */
  sessionId?: string;
  iat: number;
  exp: number;
}

export type TokenReading =
  | { kind: "claims"; claims: TokenClaims }
  | { kind: "absent" | "malformed" | "expired" | "invalid" };

export interface Tokens {
  sign(claims: Omit<TokenClaims, "iat" | "exp">): string;
  /** Of an `Authorization` header; checks signature and time, nothing that needs a store. */
  read(header: string | undefined): TokenReading;
}

const threeParts = /^[\w-]+\.[\w-]+\.[\w-]*$/;

function asClaims(payload: unknown): TokenClaims | undefined {
  const claims = payload as Partial<TokenClaims> | null;
  const complete =
    typeof claims?.userId === "string" && typeof claims.iat === "number" && typeof claims.exp === "number";
  const handle = claims?.sessionId;
  return complete && (handle === undefined || typeof handle === "string") ? (claims as TokenClaims) : undefined;
}

export function createTokens(secret: string, ttlMs: number): Tokens {
  // Of a string the library would try each time whether it is a certificate.
  const key = createSecretKey(Buffer.from(secret));
  return {
    sign: (claims) => jwt.sign(claims, key, { algorithm: "HS256", expiresIn: Math.ceil(ttlMs / 1000) }),
    read(header) {
      const token = /^Bearer (.+)$/i.exec(header ?? "")?.[1]?.trim();
      if (!token) return { kind: "absent" };
      if (token.length > 4_096 || !threeParts.test(token)) return { kind: "malformed" };
      try {
        const claims = asClaims(jwt.verify(token, key, { algorithms: ["HS256"] }));
        return claims ? { kind: "claims", claims } : { kind: "invalid" };
      } catch (error) {
        return { kind: error instanceof jwt.TokenExpiredError ? "expired" : "invalid" };
      }
    },
  };
}
