const key = (message) => message.id ?? `${message.timestamp} ${message.author} ${message.text}`;

const order = (a, b) => (a.timestamp === b.timestamp ? (key(a) < key(b) ? -1 : 1) : a.timestamp < b.timestamp ? -1 : 1);

/** Both lists in one, each message once, oldest first. */
export function merged(known, more) {
  const all = new Map(known.map((message) => [key(message), message]));
  for (const message of more) all.set(key(message), message);
  return [...all.values()].sort(order);
}

/** After a reconnect the newest messages join what is already shown, unless there is a gap between the two. */
export function refreshed(known, newest) {
  const keys = new Set(known.map(key));
  const overlap = newest.some((message) => keys.has(key(message)));
  return { messages: overlap ? merged(known, newest) : newest, overlap };
}

const PAUSE = 5 * 60_000;

/** Does the message go under the same name as the one before it? */
export function continues(message, previous) {
  return (
    previous !== undefined &&
    message.type !== "system" &&
    message.type === previous.type &&
    message.author === previous.author &&
    (message.target ?? null) === (previous.target ?? null) &&
    Date.parse(message.timestamp) - Date.parse(previous.timestamp) < PAUSE &&
    sameDay(message, previous)
  );
}

export function sameDay(message, previous) {
  return (
    previous !== undefined && new Date(message.timestamp).toDateString() === new Date(previous.timestamp).toDateString()
  );
}
