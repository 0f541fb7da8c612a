import { io } from "/socket.io/socket.io.esm.min.js";

/** A candidate that says "no more candidates": harmless to a client that does carry sound. */
const NO_CANDIDATE = { candidate: "", sdpMid: "0", sdpMLineIndex: 0 };
const SESSION_GONE = ["Session authentication required", "CSRF validation failed", "User not found in session"];

/**
 * One socket for one session. It comes back by itself after every loss, also after a disconnect by the server,
 * which Socket.IO leaves to us. `heard` maps events of the server, plus `up`, `down`, `ended` and `banned`, to functions.
 */
export function openSocket({ csrfToken, sessionId }, heard) {
  const socket = io({
    auth: { csrfToken, ...(sessionId && { sessionId }) },
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    withCredentials: true,
    forceNew: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 5000,
  });
  let attempts = 0;
  let timer;

  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.connect(), Math.min(5000, 300 * 2 ** attempts++) * (0.5 + Math.random()));
  };

  socket.on("connect", () => {
    attempts = 0;
    heard.up();
  });
  socket.on("disconnect", (reason) => {
    heard.down();
    if (reason === "io server disconnect") again();
  });
  socket.on("connect_error", ({ message }) => {
    heard.down();
    if (socket.active) return;
    if (message === "User is banned") heard.banned({});
    else if (SESSION_GONE.includes(message)) heard.ended(again);
    else again();
  });
  socket.on("heartbeat_request", () => socket.emit("heartbeat_response"));
  // Newcomers to a voice channel are told of nobody; a greeting from each member is how they learn who is in it.
  socket.on("user_joined_voice", ({ socketId, nickname }) => {
    socket.emit("ice_candidate", { candidate: NO_CANDIDATE, targetSocketId: socketId });
    heard.voiceMember(socketId, nickname);
  });
  for (const signal of ["voice_offer", "voice_answer", "ice_candidate"]) {
    socket.on(signal, ({ from, fromNickname }) => heard.voiceMember(from, fromNickname));
  }
  for (const event of EVENTS) socket.on(event, heard[event]);

  return {
    send: (event, payload) => socket.emit(event, payload),
    close() {
      clearTimeout(timer);
      socket.off();
      socket.disconnect();
    },
  };
}

const EVENTS = [
  "message",
  "private_message",
  "history",
  "online_users",
  "error",
  "banned",
  "voice_joined",
  "voice_left",
  "voice_error",
  "user_left_voice",
];
