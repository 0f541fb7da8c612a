import { readLine } from "../commands.js";
import { fill, h, icon, unseen } from "../dom.js";

/** Where one writes. Keeps what could not be sent, and shows while typing that a line will be private. */
export function composerView({ state, watch, chat }) {
  const input = h("textarea", {
    id: "write",
    rows: "1",
    enterkeyhint: "send",
    "aria-describedby": "write-hint",
    autocomplete: "off",
  });
  const label = h("label", { for: "write", class: "unseen" });
  const notice = h("div", { class: "notice", role: "alert" });
  const secret = h("p", { class: "secret", "aria-live": "polite" });
  const form = h(
    "form",
    { class: "composer" },
    secret,
    h(
      "div",
      { class: "box" },
      label,
      input,
      h("button", { class: "send", title: "Send" }, icon("send"), unseen("Send")),
    ),
    h(
      "p",
      { id: "write-hint", class: "hint" },
      h("kbd", {}, "Enter"),
      " sends, ",
      h("kbd", {}, "Shift+Enter"),
      " starts a new line, ",
      h("kbd", {}, "/w nickname text"),
      " is read by one person only.",
    ),
  );

  const reading = () =>
    readLine(
      input.value,
      state.get().people.map(({ nickname }) => nickname),
    );

  function grown() {
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight}px`;
    const { to } = reading();
    form.classList.toggle("private", Boolean(to));
    fill(secret, to && [icon("lock"), `Only ${to} and you will read this.`]);
  }

  function write(text) {
    input.value = text;
    grown();
    input.focus();
    input.setSelectionRange(text.length, text.length);
  }

  function send(event) {
    event.preventDefault();
    const problem = chat.say(input.value);
    if (problem) return state.set({ notice: problem });
    write("");
  }

  form.addEventListener("submit", send);
  input.addEventListener("input", grown);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  });

  watch(["channels", "room"], ({ room }) => {
    const words = `Message ${chat.channel(room)?.name ?? room ?? ""}`.trim();
    fill(label, words);
    input.placeholder = words;
  });
  watch(["notice"], (now) =>
    fill(
      notice,
      now.notice && [
        icon("alert"),
        h("p", {}, now.notice),
        h(
          "button",
          { class: "icon-button", type: "button", onclick: () => chat.dismiss() },
          icon("close"),
          unseen("Dismiss"),
        ),
      ],
    ),
  );
  watch(["returned"], ({ returned }) => {
    if (returned && !input.value) write(returned.line);
  });

  return {
    element: h("div", { class: "write" }, notice, form),
    focus: () => input.focus(),
    writeTo: (nickname) => write(`/w ${nickname} ${reading().text ?? ""}`),
  };
}
