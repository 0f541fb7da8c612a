import { fill, h, icon } from "../dom.js";
import { messageRows, secretLabel } from "./message.js";

const NEAR_END = 120;

/** The conversation: keeps its place while older messages come in above, follows the newest while the reader is there. */
export function messagesView({ watch, chat }) {
  const top = h("div", { class: "top" });
  const list = h("ol", { class: "messages" });
  const scroller = h("section", { class: "scroller", tabindex: "0", "aria-label": "Messages" }, top, list);
  const toEnd = h("button", { class: "to-end", hidden: true, onclick: () => follow() }, icon("down"), "New messages");
  const announcer = document.getElementById("announcer");
  let drawn = [];

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
  const follow = () => {
    scroller.scrollTop = scroller.scrollHeight;
    toEnd.hidden = true;
  };
  let following = true;
  scroller.addEventListener("scroll", () => {
    following = atEnd();
    if (following) toEnd.hidden = true;
  });
  // The keyboard of a phone, a growing message box: whoever reads the newest line goes on seeing it.
  new ResizeObserver(() => following && follow()).observe(scroller);

  function draw(messages, me) {
    const fresh = appended(drawn, messages);
    const first = drawn[0];
    const keep = following || drawn.length === 0;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    if (fresh) {
      fresh.forEach((message, at) => {
        list.append(...messageRows(message, fresh[at - 1] ?? drawn.at(-1), me));
      });
      announce(fresh, me);
    } else {
      fill(
        list,
        messages.flatMap((message, at) => messageRows(message, messages[at - 1], me)),
      );
    }
    const own = fresh?.some(({ author }) => author === me);
    if (keep || own) follow();
    else if (first !== messages[0]) scroller.scrollTop = scroller.scrollHeight - fromEnd;
    else if (fresh?.length > 0) toEnd.hidden = false;
    drawn = messages;
  }

  function announce(fresh, me) {
    const heard = fresh.filter(({ author, type }) => type !== "system" && author !== me);
    if (heard.length > 0) {
      announcer.textContent = heard
        .map(
          (message) =>
            `${message.author}${message.type === "private" ? `, ${secretLabel(message, me)}` : ""}: ${message.text}`,
        )
        .join("\n");
    }
  }

  watch(["messages", "roomState"], ({ messages, roomState, me }) => {
    scroller.ariaBusy = String(roomState === "loading");
    if (messages !== drawn) draw(messages, me.nickname);
  });
  watch(["older", "roomState", "room", "channels"], (now) => {
    const focused = top.contains(document.activeElement);
    fill(top, topOf(now, chat));
    if (focused) (top.querySelector("button") ?? scroller).focus({ preventScroll: true });
  });

  return h("div", { class: "conversation" }, scroller, toEnd);
}

/** The messages that only follow what is drawn, or null when the list has changed in another way. */
function appended(drawn, messages) {
  if (drawn.length === 0 || messages.length < drawn.length) return null;
  return drawn.every((message, at) => message.id === messages[at].id) ? messages.slice(drawn.length) : null;
}

function topOf({ older, roomState, room, channels }, chat) {
  const channel = channels?.find(({ id }) => id === room);
  if (roomState === "missing") {
    return note("This channel does not exist", "Pick another one from the list, or create it.", "hash");
  }
  if (roomState === "failed") {
    return [
      note("The channel could not be opened", "The server may be busy. Nothing is lost.", "alert"),
      h("button", { class: "quiet", onclick: () => chat.open(room) }, "Try again"),
    ];
  }
  if (roomState === "loading" || !older) return h("p", { class: "hint loading" }, "Opening the channel…");
  if (older.more) return olderButton(chat);
  return note(
    `The beginning of ${channel?.name ?? room}`,
    channel?.description ?? "Say hello: what you write here, everybody in the channel can read.",
    "hash",
  );
}

const note = (title, text, symbol) =>
  h("div", { class: "note" }, icon(symbol, "icon note-icon"), h("h2", {}, title), h("p", { class: "hint" }, text));

function olderButton(chat) {
  const problem = h("p", { class: "hint", role: "alert" });
  const button = h("button", { class: "quiet" }, "Load older messages");
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(problem);
    try {
      await chat.loadOlder();
    } catch (error) {
      fill(problem, error.message);
    }
    button.disabled = false;
  });
  return [button, problem];
}
