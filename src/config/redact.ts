const credentials = /([a-z][a-z0-9+.-]*:\/\/)([^\s/@]*)@/gi;

/** Takes user and password out of every URL in a text. */
export function redact(text: string): string {
  return text.replace(credentials, "$1***@");
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
