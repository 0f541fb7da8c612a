/** Names of Socket.IO's rooms; prefixed, because every socket's id is a room too. */
export const textRoom = (channel: string) => `room:${channel}`;
/** The channels among them. */
export const channelsOf = (rooms: Iterable<string>) =>
  [...rooms].filter((room) => room.startsWith(textRoom(""))).map((room) => room.slice(textRoom("").length));
export const voiceRoom = (channel: string) => `voice:${channel}`;
