import { withBudget } from "../kernel/budget.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Events } from "../kernel/events.ts";
import type { Limiter } from "../kernel/limiter.ts";
import type { Log } from "../kernel/log.ts";
import { createPace } from "./pace.ts";
import { errorPayload } from "./payloads.ts";
import { readPrivate, readRoom, readSignal, readSpeaking, readText, readVoiceChannel } from "./reading.ts";
import { Refusal, refusal } from "./refusal.ts";
import type { Rooms } from "./rooms.ts";
import type { Talk } from "./talk.ts";
import type { Guest, RealtimeEvents } from "./types.ts";
import { type SignalEvent, signalKeys, type Voice } from "./voice.ts";

const signalsPerWindow = 2_000;
const signalWindowMs = 10_000;

interface Listener {
  carryOut(guest: Guest, payload: unknown): Promise<void> | void;
  /** What the client is told when it failed for no fault of its own. */
  failure: Refusal;
}

interface Options {
  rooms: Rooms;
  talk: Talk;
  voice: Voice;
  messageLength: number;
  limiter?: Limiter | undefined;
  events: Events<RealtimeEvents>;
  clock: Clock;
  log: Log;
}

const failure = (message: string, code = "FAILED") => new Refusal(code, message);
const voiceFailure = (message: string) => new Refusal("FAILED", message, "voice_error");

const isSignal = (event: string): event is SignalEvent => Object.hasOwn(signalKeys, event);

/** Answers how to listen to a socket: whatever arrives is carried out in order, refused in words, or dropped; it never throws. */
export function createListeners(options: Options): (guest: Guest) => void {
  const { rooms, talk, voice, messageLength, limiter, events, clock, log } = options;
  const failing = new Set<string>();

  const inOrder: Record<string, Listener> = {
    join_room: {
      carryOut: (guest, payload) => rooms.join(guest, readRoom(payload)),
      failure: failure("Failed to join room"),
    },
    message: {
      carryOut: (guest, payload) => talk.message(guest, readText(payload, messageLength)),
      failure: failure("Failed to send message"),
    },
    private_message: {
      carryOut(guest, payload) {
        const { to, text } = readPrivate(payload, messageLength);
        return talk.privateMessage(guest, to, text);
      },
      failure: refusal.privateFailed(),
    },
    get_history: { carryOut: (guest) => rooms.history(guest), failure: failure("Failed to load message history") },
    speaking: {
      carryOut: (guest, payload) => talk.speaking(guest, readSpeaking(payload)),
      failure: failure("Failed to tell who speaks"),
    },
    join_voice_channel: {
      carryOut: (guest, payload) => voice.join(guest, readVoiceChannel(payload)),
      failure: voiceFailure("Failed to join voice channel"),
    },
    leave_voice_channel: {
      carryOut: (guest) => voice.leave(guest),
      failure: voiceFailure("Failed to leave voice channel"),
    },
  };

  function answer(guest: Guest, { event, message, code }: Refusal): void {
    guest.socket.emit(event, errorPayload(message, code === "FAILED" ? undefined : code));
  }

  function fail(guest: Guest, event: string, words: Refusal, error: unknown): void {
    if (error instanceof Refusal) {
      if (error.code === "RATE_LIMITED") events.emit("limited", { event });
      answer(guest, error);
      return;
    }
    events.emit("failed", { event, error });
    if (!failing.has(event)) log.warn({ event, err: messageOf(error) }, "A socket's event failed");
    failing.add(event);
    answer(guest, words);
  }

  async function carryOut(guest: Guest, event: string, listener: Listener, payload: unknown): Promise<void> {
    const allowance = await limiter?.consume(`user:${guest.member.userId}`);
    if (allowance && !allowance.allowed) throw refusal.tooMany();
    await listener.carryOut(guest, payload);
    if (failing.delete(event)) log.info({ event }, "Sockets' events are carried out again");
  }

  return (guest) => {
    const { socket, work } = guest;
    const atPace = createPace(signalsPerWindow, signalWindowMs, clock);
    // One for all events: a listener for each of them is two kilobytes for every connection.
    socket.onAny((event: string, payload: unknown) => {
      // What came with the end of the connection is heard after it.
      if (!socket.connected) return;
      const listener = Object.hasOwn(inOrder, event) ? inOrder[event] : undefined;
      if (listener)
        work.add(
          () => withBudget(() => carryOut(guest, event, listener, payload)),
          (error) => fail(guest, event, listener.failure, error),
        );
      else if (isSignal(event))
        try {
          if (!atPace()) throw refusal.tooMany();
          voice.relay(guest, event, readSignal(payload, signalKeys[event]));
        } catch (error) {
          fail(guest, event, voiceFailure("Voice signal was not sent"), error);
        }
    });
  };
}
