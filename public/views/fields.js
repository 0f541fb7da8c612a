import { fill, h, icon } from "../dom.js";

let count = 0;

/** A labelled input with room for one error under it. `check(value)` answers what is wrong, in plain words. */
export function field({ name, label, hint, check = () => null, area = false, ...attributes }) {
  const id = `field-${++count}`;
  const input = h(area ? "textarea" : "input", {
    id,
    name,
    "aria-describedby": `${id}-error${hint ? ` ${id}-hint` : ""}`,
    ...attributes,
  });
  const error = h("p", { id: `${id}-error`, class: "field-error" });
  const complain = (words) => {
    fill(error, words && [icon("alert"), words]);
    if (words) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  input.addEventListener("input", () => complain(null));
  return {
    name,
    input,
    complain,
    value: () => input.value,
    check() {
      const words = check(input.value);
      complain(words);
      return words === null;
    },
    element: h(
      "div",
      { class: "field" },
      h("label", { for: id }, label),
      input,
      hint && h("p", { id: `${id}-hint`, class: "hint" }, hint),
      error,
    ),
  };
}

/** Checks, sends, and puts what the server objects to under the right field or above the button. */
export function handleSubmit({ form, fields, problem, send }) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    fill(problem);
    const wrong = fields.filter((each) => !each.check());
    if (wrong.length > 0) return wrong[0].input.focus();
    form.ariaBusy = "true";
    try {
      await send(Object.fromEntries(fields.map((each) => [each.name, each.value()])));
    } catch (error) {
      const objected = fields.filter(({ name }) => error.fields?.[name]);
      for (const each of objected) each.complain(error.fields[each.name]);
      if (objected.length > 0) objected[0].input.focus();
      else fill(problem, icon("alert"), error.message);
    } finally {
      form.ariaBusy = "false";
    }
  });
}
