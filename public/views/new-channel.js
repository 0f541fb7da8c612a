import { fill, h, icon, unseen } from "../dom.js";
import { field, handleSubmit } from "./fields.js";

/** Asks for name, kind and description of a new channel. */
export function newChannelDialog({ create, done }) {
  const dialog = h("dialog", { class: "card", "aria-labelledby": "new-channel-title" });

  function open() {
    const fields = [
      field({
        name: "name",
        label: "Name",
        maxlength: "100",
        autocomplete: "off",
        check: (value) => (value.trim() ? null : "Give the channel a name."),
      }),
      kindField(),
      field({
        name: "description",
        label: "What is it about? (optional)",
        area: true,
        rows: "2",
        maxlength: "500",
      }),
    ];
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h(
      "form",
      { novalidate: true },
      fields.map(({ element }) => element),
      problem,
      h("button", { class: "primary" }, "Create channel"),
    );
    handleSubmit({
      form,
      fields,
      problem,
      async send({ name, type, description }) {
        await create({ name: name.trim(), type, ...(description.trim() && { description: description.trim() }) });
        dialog.close();
        done();
      },
    });
    fill(
      dialog,
      h(
        "div",
        { class: "card-head" },
        h("h2", { id: "new-channel-title" }, "New channel"),
        h(
          "button",
          { class: "icon-button", type: "button", onclick: () => dialog.close() },
          icon("close"),
          unseen("Close"),
        ),
      ),
      form,
    );
    dialog.showModal();
    fields[0].input.focus();
  }

  return { element: dialog, open };
}

function kindField() {
  const choice = (value, label, symbol, checked) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name: "type", value, checked }), icon(symbol), label);
  const element = h(
    "fieldset",
    { class: "field" },
    h("legend", {}, "Kind"),
    h("div", { class: "choices" }, choice("text", "Text", "hash", true), choice("voice", "Voice", "voice", false)),
  );
  return {
    name: "type",
    element,
    input: element.querySelector("input"),
    value: () => element.querySelector("input:checked").value,
    check: () => true,
    complain: () => {},
  };
}
