import { h, icon, unseen } from "../dom.js";
import { dateAndTime, dayName, linked, timeOfDay } from "../format.js";
import { continues, sameDay } from "../timeline.js";
import { avatar } from "./avatar.js";

/** One message, with a line for the day when a new one begins. */
export function messageRows(message, previous, me) {
  const rows = [];
  if (!sameDay(message, previous)) rows.push(h("li", { class: "day" }, h("span", {}, dayName(message.timestamp))));
  rows.push(message.type === "system" ? systemRow(message) : spokenRow(message, continues(message, previous), me));
  return rows;
}

const time = ({ timestamp }) => h("time", { datetime: timestamp, title: dateAndTime(timestamp) }, timeOfDay(timestamp));

const systemRow = (message) => h("li", { class: "system" }, h("span", {}, message.text), " ", time(message));

function spokenRow(message, continued, me) {
  const secret = message.type === "private";
  const classes = ["spoken", secret && "private", continued && "continued", message.author === me && "own"];
  return h(
    "li",
    { class: classes.filter(Boolean).join(" ") },
    continued ? null : avatar(message.author),
    h(
      "p",
      { class: continued ? "by unseen" : "by" },
      h("strong", {}, message.author),
      secret && h("span", { class: "secret" }, icon("lock"), secretLabel(message, me)),
      time(message),
      unseen(": "),
    ),
    h("p", { class: "text" }, linked(message.text).map(textPiece)),
  );
}

export const secretLabel = ({ author, target }, me) => (author === me ? `only to ${target}` : "only to you");

const textPiece = ({ piece, link }) =>
  link ? h("a", { href: piece, target: "_blank", rel: "noopener noreferrer nofollow" }, piece) : piece;
