/** Names of Socket.IO's rooms; prefixed, because every socket's id is a room too. */
export const textRoom = (channel: string) => `room:${channel}`;
export const voiceRoom = (channel: string) => `voice:${channel}`;
