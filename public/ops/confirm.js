import { fill, h } from "../dom.js";
import { keepPlace } from "./place.js";
import { changeWords, dateTime } from "./words.js";

const $ = (id) => document.getElementById(id);

const checkList = (checks) =>
  h(
    "ul",
    { class: "checks" },
    checks.map(({ ok, says }) =>
      h("li", { class: ok ? "good" : "bad" }, h("b", {}, ok ? "in order" : "in the way"), ` ${says}`),
    ),
  );

const changeList = (changes) =>
  h(
    "ul",
    {},
    changes.map((change) =>
      h("li", {}, `${dateTime(change.at)}, ${change.who}: ${changeWords(change)} (“${change.why}”)`),
    ),
  );

/**
 * Asks before something is done: what, in `lines`; why, which may be left open when it is `optional`. `act({ reason, force })` does it; when the
 * server refuses, the dialog says why, and offers force where that would help.
 */
export function confirm({ title, lines, button, danger = false, optional = false, act }) {
  const dialog = $("confirm");
  const form = dialog.querySelector("form");
  const [reason, force, go] = [$("reason"), $("force"), $("confirm-do")];
  $("confirm-title").textContent = title;
  fill(
    $("confirm-words"),
    lines.map((line) => h("p", {}, line)),
  );
  fill($("confirm-answer"));
  reason.value = "";
  reason.required = !optional;
  $("reason-label").textContent = `Why? ${optional ? "You need not say; it" : "It"} is kept in the history.`;
  force.checked = false;
  $("force-label").hidden = true;
  go.textContent = button;
  go.disabled = false;
  go.classList.toggle("danger", danger);

  function refused({ message, code, checks, changes }) {
    fill(
      $("confirm-answer"),
      h("p", { class: "problem" }, message),
      checks && checkList(checks),
      changes && changeList(changes),
    );
    $("force-label").hidden = code !== "DIAL_REFUSED";
    go.disabled = code === "DIAL_REFUSED" || code === "CHANGED_MEANWHILE";
    if (code === "DIAL_REFUSED") force.focus();
  }
  force.onchange = () => {
    go.disabled = !force.checked;
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (dialog.ariaBusy === "true") return;
    dialog.ariaBusy = "true";
    go.textContent = "One moment…";
    try {
      await act({ reason: reason.value, force: force.checked });
      dialog.close();
    } catch (error) {
      refused(error);
    } finally {
      dialog.ariaBusy = "false";
      go.textContent = button;
    }
  };
  $("cancel").onclick = () => dialog.close();
  const opener = document.activeElement;
  dialog.onclose = () => keepPlace(opener);
  dialog.showModal();
}
