export type { ChatSession, SessionGate } from "../chat/sessions/types.ts";
