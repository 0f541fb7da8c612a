import { fill, h, icon } from "../dom.js";
import { field, handleSubmit } from "./fields.js";

const required = (words) => (value) => (value.trim() ? null : words);
const atLeast = (length, words) => (value) => ([...value.trim()].length >= length ? null : words);

const forms = {
  logIn: {
    title: "Log in to the chat",
    button: "Log in",
    other: ["New here?", "Create an account"],
    fields: () => [
      field({
        name: "identifier",
        label: "Nickname or e-mail",
        autocomplete: "username",
        autocapitalize: "none",
        spellcheck: "false",
        check: required("Enter your nickname or e-mail."),
      }),
      field({
        name: "password",
        label: "Password",
        type: "password",
        autocomplete: "current-password",
        check: required("Enter your password."),
      }),
    ],
  },
  register: {
    title: "Create an account",
    button: "Create account",
    other: ["Already have one?", "Log in"],
    fields: () => [
      field({
        name: "nickname",
        label: "Nickname",
        hint: "3 to 50 characters. Others see it.",
        autocomplete: "username",
        autocapitalize: "none",
        spellcheck: "false",
        maxlength: "50",
        check: atLeast(3, "A nickname has at least 3 characters."),
      }),
      field({
        name: "email",
        label: "E-mail",
        type: "email",
        autocomplete: "email",
        check: (value) =>
          /^\S+@\S+$/.test(value.trim()) ? null : "Enter an e-mail address, such as anna@example.org.",
      }),
      field({
        name: "password",
        label: "Password",
        hint: "At least 6 characters.",
        type: "password",
        autocomplete: "new-password",
        check: (value) => (value.length >= 6 ? null : "A password has at least 6 characters."),
      }),
    ],
  },
};

/** Login and registration. `words` says why the person is here, when there is a reason. */
export function entryView({ api, words, entered }) {
  const card = h("div", { class: "card" });

  function show(name, reason) {
    const { title, button, other, fields: build } = forms[name];
    const fields = build();
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h(
      "form",
      { novalidate: true, "aria-labelledby": "entry-title" },
      fields.map(({ element }) => element),
      problem,
      h("button", { class: "primary" }, button),
    );
    handleSubmit({ form, fields, problem, send: async (values) => entered(await api[name](values)) });
    const change = () => {
      show(name === "logIn" ? "register" : "logIn");
      card.querySelector("input").focus();
    };
    fill(
      card,
      h("h1", { id: "entry-title" }, title),
      reason && h("p", { class: "reason", role: "status" }, reason),
      form,
      h(
        "p",
        { class: "other" },
        `${other[0]} `,
        h("button", { type: "button", class: "link", onclick: change }, other[1]),
      ),
    );
    document.title = `${button} · sluice`;
  }

  show("logIn", words);
  return h(
    "main",
    { class: "entry" },
    icon("wave wave", "waves"),
    h("p", { class: "brand" }, icon("mark", "mark"), "sluice"),
    card,
    h("p", { class: "hint" }, "A small chat: channels, private lines, and who is here."),
  );
}
