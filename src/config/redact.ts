// Up to the last @ before the path: a password may hold one.
const credentials = /([a-z][a-z0-9+.-]*:\/\/)([^\s/]*)@/gi;

/** Takes user and password out of every URL in a text. */
export function redact(text: string): string {
  return text.replace(credentials, "$1***@");
}

/** A secret as an operator may see it: of a URL, where it leads to; of anything else, that it is there. */
export function veiled(secret: string): string {
  const [head = "", query = ""] = secret.split("?", 2);
  const [, scheme, place] = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/]*@)?([^@]*)$/i.exec(head) ?? [];
  if (secret === "") return "";
  if (!scheme || place === undefined || query.includes("@")) return "***";
  return `${scheme}${head.includes("@") ? "***@" : ""}${place}`;
}

/** Paths of a log line that never leave the process. */
export const secretPaths = [
  "password",
  "token",
  "csrfToken",
  "sid",
  "sessionID",
  "sessionId",
  "*.password",
  "*.token",
  "*.csrfToken",
  "*.sid",
  "*.sessionID",
  "*.sessionId",
  "headers.authorization",
  "headers.cookie",
  "*.headers.authorization",
  "*.headers.cookie",
  '*.headers["set-cookie"]',
];
