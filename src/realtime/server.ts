import type { IncomingMessage } from "node:http";
import { Server } from "socket.io";
import type { Messages } from "../chat/services/types.ts";
import { systemClock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import { createEvents } from "../kernel/events.ts";
import { createClusterAdapter } from "./adapter.ts";
import { createBacklog } from "./backlog.ts";
import { createAdapterBus, noBus } from "./bus.ts";
import { channelsOf } from "./channel-rooms.ts";
import { createDelivery } from "./delivery.ts";
import { createDoors } from "./doors.ts";
import { sendAway } from "./drain.ts";
import { createGuests } from "./guests.ts";
import { createHandshake } from "./handshake.ts";
import { createLinks } from "./links.ts";
import { createListeners } from "./listeners.ts";
import { createAdapterOrders, noOrders, type Orders } from "./orders.ts";
import { createPresence } from "./presence/create.ts";
import { createSets } from "./presence/sets.ts";
import { createVoiceMembers } from "./presence/voice-members.ts";
import { refusal } from "./refusal.ts";
import { createMemory } from "./remember.ts";
import { createRollCall } from "./roll-call.ts";
import { createRoomList } from "./room-list.ts";
import { createRooms } from "./rooms.ts";
import { createSecondPath } from "./second-path.ts";
import { createStatuses } from "./statuses.ts";
import { createTalk } from "./talk.ts";
import { createThreshold } from "./threshold.ts";
import type { Guest, Realtime, RealtimeEvents, RealtimeOptions } from "./types.ts";
import { createVoice } from "./voice.ts";
import type { Work } from "./work.ts";

const connectTimeoutMs = 10_000;

/** Not the first request of a connection, but one of a connection that is open already. */
const isOngoing = (req: IncomingMessage) => /[?&]sid=/.test(req.url ?? "");

/** A voice signal that nobody would hear is refused in words, so that its caller does not wait for an answer. */
function spoken(orders: Orders): Orders {
  return {
    ...orders,
    get live() {
      return orders.live;
    },
    tell(order) {
      if (order.kind === "signal" && !orders.live) throw refusal.voiceCut();
      orders.tell(order);
    },
  };
}

/** The chat's sockets on an HTTP server: who may connect, what they may say, and who hears of it. */
export function createRealtime(options: RealtimeOptions): Realtime {
  const { server, config, origins, services, standings, gate, cookie, db, log, others, limiter } = options;
  const { clock = systemClock, oldServers = () => false } = options;
  const events = createEvents<RealtimeEvents>();
  const cluster = others && createClusterAdapter(others.door, log);
  let draining = false;

  const io = new Server(server, {
    ...(cluster ? { adapter: cluster.adapter } : {}),
    transports: ["websocket", "polling"],
    cors: { origin: [...origins], credentials: true },
    maxHttpBufferSize: config.SOCKET_PAYLOAD_KB * 1024,
    perMessageDeflate: false,
    cookie: false,
    connectTimeout: connectTimeoutMs,
    // Refused before the handshake a client is told by the transport, and a balancer may try another instance.
    allowRequest: (req, answer) => (draining && !isOngoing(req) ? answer("draining", false) : answer(null, true)),
  });
  const bus = cluster ? createAdapterBus(io) : noBus;
  const orders = cluster ? createAdapterOrders(io, clock, () => cluster.live) : noOrders;

  const guests = createGuests(config.SOCKETS_PER_USER);
  const { PRESENCE_GRACE: graceMs, PRESENCE_LEASE: leaseMs, PRESENCE_BEAT: beatMs } = config;
  const sets = createSets({
    ...others,
    times: { graceMs, leaseMs, beatMs },
    ttl: { onlineSeconds: config.TTL_ONLINE, membersSeconds: config.TTL_MEMBERS },
  });
  const presence = createPresence({ sets, graceMs, leaseMs, clock });
  const statuses = createStatuses({ users: services.users, presence, oldServers, leaseMs, clock, log });
  const memory = createMemory({ db, ttlSeconds: config.TTL_SESSIONS, clock, log });
  const delivery = createDelivery({ io, guests, bus, events, clock, log, historyLimit: config.HISTORY_LIMIT });
  const roomList = createRoomList({
    io,
    presence,
    intervalMs: config.ROOM_LIST_INTERVAL,
    onError: (error) => log.warn({ err: messageOf(error) }, "A room could not be told who is in it"),
  });
  const { channels } = services;
  const messages: Messages = {
    ...services.messages,
    async add(message) {
      try {
        return await services.messages.add(message);
      } catch (error) {
        secondPath?.doubt();
        throw error;
      }
    },
  };
  const threshold = createThreshold();
  const rooms = createRooms({ channels, messages, delivery, presence, roomList, memory, threshold, clock, log });
  const voice = createVoice({
    io,
    channels,
    guests,
    orders: spoken(orders),
    members: createVoiceMembers(sets),
    amongOthers: () => sets.stats().instances > 1,
    threshold,
  });
  const doors = createDoors({ channels, feeds: others?.feeds, guests, voice, memory, threshold, clock, log });
  const retell = (userId: string, room: string) => {
    for (const guest of guests.ofUser(userId)) if (guest.room?.id === room) rooms.retell(guest);
  };
  const links = createLinks({
    ...{ gate, doors, guests, orders, presence, standings, statuses, memory, voice, retell, clock, log },
  });
  const { recognise } = links;
  const talk = createTalk({
    ...{ messages, channels, standings, presence, memory, delivery, statuses, clock, recognise },
    users: services.users,
    gone(userId, room) {
      retell(userId, room);
      orders.tell({ kind: "retell", userId, room });
    },
  });
  const { MESSAGE_LENGTH: messageLength, REQUEST_TIMEOUT: deadlineMs } = config;
  const listen = createListeners({ rooms, talk, voice, messageLength, limiter, events, clock, log });

  const secondPath =
    others &&
    createSecondPath({
      feeds: others.feeds,
      rooms: () => channelsOf(io.of("/").adapter.rooms.keys()),
      deliver: (message) => delivery.deliver(message, "mongodb"),
      clock,
      log,
    });
  const backlog = createBacklog({
    guests,
    limitBytes: config.SOCKET_BUFFER_KB * 1024,
    onSlow(guest, bytes) {
      events.emit("slow", { bytes });
      log.info({ userId: guest.member.userId, bytes }, "A socket was ended: its client does not take what it is sent");
    },
  });
  const rollCall = others && createRollCall({ feeds: others.feeds, gate, guests, links, clock, log });

  const works = new Set<Work>();

  function welcome(guest: Guest): void {
    const { socket, member, work } = guest;
    works.add(work);
    presence.connected(member.userId, socket.id);
    statuses.active(member.userId);
    listen(guest);
    rooms.resume(guest);
    socket.on("disconnect", () => {
      guests.remove(guest);
      voice.leave(guest);
      rooms.lost(guest);
      presence.disconnected(member.userId, socket.id);
      void work.idle().then(() => works.delete(work));
    });
  }

  const onRefused = (reason: string) => events.emit("refused", { reason });
  io.use(createHandshake({ gate, standings, guests, cookie, deadlineMs, log, onRefused }));
  io.on("connection", (socket) => {
    const guest = guests.byId(socket.id);
    if (guest) welcome(guest);
    else socket.disconnect(true);
  });

  return {
    links,
    events,
    streams: new Map([
      ...(secondPath ? [["messages", secondPath.stream] as const] : []),
      ...(rollCall ? [["users", rollCall.stream] as const] : []),
      ...(doors.stream ? [["channels", doors.stream] as const] : []),
    ]),
    stats: () => ({ connections: guests.size, users: guests.users, presence: presence.stats() }),
    onlineUsers: async () => presence.online(),
    deliver: delivery.deliver,
    sessionEnded: links.sessionEnded,
    async drain(ms) {
      draining = true;
      presence.suspend();
      await sendAway(guests, memory, ms);
    },
    async close() {
      draining = true;
      presence.suspend();
      delivery.close();
      io.local.disconnectSockets(true);
      roomList.close();
      rooms.close();
      backlog.close();
      await Promise.all([...works].map((work) => work.idle()));
      await Promise.all([secondPath?.close(), rollCall?.close(), doors.close()]);
      await presence.close();
      await Promise.all([statuses.close(), memory.close()]);
      // Not `io.close()`: it would close the HTTP server too, which is not its own.
      await io.of("/").adapter.close();
      io.engine.close();
    },
  };
}
