import type { ChatSession } from "../sessions/types.ts";

declare module "express-session" {
  interface SessionData extends Partial<Omit<ChatSession, "authenticated">> {
    authenticated?: boolean;
  }
}
