import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** The same at every start of the same instance; strangers see it on the health page, so it gives no address away. */
export function serverIdOf({ SERVER_ID, PORT }: { SERVER_ID: string; PORT: number }): string {
  if (SERVER_ID) return SERVER_ID;
  const place = `${hostname()}:${PORT || `process ${process.pid}`}`;
  return `sluice-${createHash("sha256").update(place).digest("hex").slice(0, 8)}`;
}
