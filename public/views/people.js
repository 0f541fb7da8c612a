import { fill, h, icon, unseen } from "../dom.js";
import { avatar } from "./avatar.js";
import { awayButton } from "./drawers.js";

/** The right side: who is in this channel now. A click starts a private line. */
export function peopleView({ watch, writeTo, close }) {
  const title = h("h2", { id: "people-title" });
  const list = h("ul", { class: "people", "aria-labelledby": "people-title" });

  watch(["people", "roomState"], ({ people, me, roomState }) => {
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.nickname;
    fill(title, "Here now", h("span", { class: "count" }, String(people.length)));
    fill(
      list,
      people.map((person) => h("li", {}, personRow(person, me, writeTo))),
      people.length === 1 && h("li", { class: "hint" }, "Nobody else yet. Share the address of this page."),
      people.length === 0 && roomState === "loading" && h("li", { class: "hint" }, "Looking who is here…"),
    );
    if (focused) list.querySelector(`[data-nickname="${CSS.escape(focused)}"]`)?.focus();
  });

  return h(
    "aside",
    { class: "side people-side", "aria-labelledby": "people-title" },
    h("div", { class: "side-head" }, title, awayButton(close)),
    list,
  );
}

function personRow({ nickname, role }, me, writeTo) {
  const what = [
    avatar(nickname),
    h("span", { class: "name" }, nickname),
    role !== "member" && h("span", { class: "role" }, role),
  ];
  if (nickname === me.nickname) return h("div", { class: "person" }, what, h("span", { class: "hint" }, "you"));
  return h(
    "button",
    {
      class: "person",
      "data-nickname": nickname,
      title: `Write privately to ${nickname}`,
      onclick: () => writeTo(nickname),
    },
    what,
    unseen(", write privately"),
    icon("lock"),
  );
}
