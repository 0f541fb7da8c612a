const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const timeOfDay = (timestamp) => clock.format(new Date(timestamp));
export const dateAndTime = (timestamp) => full.format(new Date(timestamp));

export function dayName(timestamp, today = new Date()) {
  const date = new Date(timestamp);
  if (date.toDateString() === today.toDateString()) return "Today";
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  return date.toDateString() === yesterday.toDateString() ? "Yesterday" : day.format(date);
}

export function waitInWords(seconds) {
  if (seconds < 90) return seconds === 1 ? "1 second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

export function initials(nickname) {
  const words = nickname.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = words.length > 1 ? words.slice(0, 2).map((word) => [...word][0]) : [...nickname].slice(0, 1);
  return letters.join("").toUpperCase();
}

/** Always the same colour for the same nickname. */
export function hue(nickname) {
  let sum = 0;
  for (const character of nickname) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}

/** Text cut into plain pieces and web addresses. */
export function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/).map((piece, at) => ({ piece, link: at % 2 === 1 }));
}
