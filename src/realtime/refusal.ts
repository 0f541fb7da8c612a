import { SluiceError } from "../kernel/errors.ts";

/** An event asked for what cannot be; the client is told by `error` with these words. */
export class Refusal extends SluiceError {
  /** `voice_error` where the client listens for that. */
  readonly event: "error" | "voice_error";
  constructor(code: string, message: string, event: "error" | "voice_error" = "error") {
    super(code, message);
    this.event = event;
  }
}

export const refusal = {
  malformed: (message: string) => new Refusal("INVALID_PAYLOAD", message),
  missingRoom: () => new Refusal("MISSING_ROOM", "Room name is required"),
  invalidRoom: () => new Refusal("INVALID_ROOM_FORMAT", "Invalid room name format"),
  noChannel: (room: string) => new Refusal("CHANNEL_NOT_FOUND", `Channel '${room}' not found`),
  tooLong: (most: number) => new Refusal("MESSAGE_TOO_LONG", `A message has at most ${most} characters`),
  muted: () => new Refusal("USER_MUTED", "You are muted and cannot send messages"),
  adminsOnly: () => new Refusal("CHANNEL_READ_ONLY", "Only admins may write in this channel"),
  invalidTarget: () => new Refusal("INVALID_TARGET_NICKNAME", "Invalid target user nickname"),
  toSelf: () => new Refusal("SELF_MESSAGE_NOT_ALLOWED", "Cannot send private message to yourself"),
  notInRoom: (nickname: string) =>
    new Refusal("TARGET_USER_NOT_IN_ROOM", `User '${nickname}' is not available in this channel`),
  privateFailed: () => new Refusal("PRIVATE_MESSAGE_FAILED", "Failed to send private message"),
  noVoiceChannel: () => new Refusal("VOICE_CHANNEL_NOT_FOUND", "Voice channel not found", "voice_error"),
  voiceCut: () =>
    new Refusal("VOICE_UNAVAILABLE", "This user cannot be reached right now, please try again", "voice_error"),
  voiceAlone: () =>
    new Refusal(
      "VOICE_UNAVAILABLE",
      "Not everybody in this channel can be reached now, please join again",
      "voice_error",
    ),
  tooMany: () => new Refusal("RATE_LIMITED", "Too many events, please slow down"),
};
