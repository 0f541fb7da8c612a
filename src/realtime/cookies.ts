import { createHmac, timingSafeEqual } from "node:crypto";

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function cookieNamed(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name)
      return decoded(
        pair
          .slice(at + 1)
          .trim()
          .replace(/^"|"$/g, ""),
      );
  }
  return undefined;
}

export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The sid in a cookie as express-session signs it: `s:<sid>.<HMAC of the sid>`. */
export function signedSid(header: string | undefined, name: string, secrets: readonly string[]): string | undefined {
  const value = header && cookieNamed(header, name);
  if (!value?.startsWith("s:")) return undefined;
  const dot = value.lastIndexOf(".");
  const [sid, signature] = [value.slice(2, dot), value.slice(dot + 1)];
  const genuine = secrets.some((secret) => {
    const right = createHmac("sha256", secret).update(sid).digest("base64").replace(/=+$/, "");
    return sameText(right, signature);
  });
  return genuine && sid !== "" ? sid : undefined;
}
