import { h, icon, unseen } from "../dom.js";

const NARROW = { channels: "(max-width: 759px)", people: "(max-width: 1099px)" };

/** On a narrow screen the sides slide over the conversation: focus goes in, Escape or a tap outside closes. */
export function createDrawers({ page, main, sides }) {
  let opener = null;
  const shade = h("div", { class: "shade", onclick: () => close() });
  page.append(shade);

  function open(name, button) {
    opener = button;
    page.dataset.drawer = name;
    button.setAttribute("aria-expanded", "true");
    for (const element of others(name)) element.inert = true;
    sides[name].querySelector("button, a, [tabindex]")?.focus();
  }

  function close() {
    if (!opener) return;
    delete page.dataset.drawer;
    opener.setAttribute("aria-expanded", "false");
    for (const element of [main, ...Object.values(sides)]) element.inert = false;
    opener.focus();
    opener = null;
  }

  const others = (name) => [
    main,
    ...Object.keys(sides)
      .filter((side) => side !== name)
      .map((side) => sides[side]),
  ];
  const onKey = (event) => event.key === "Escape" && close();
  const queries = Object.values(NARROW).map((query) => matchMedia(query));
  for (const query of queries) query.addEventListener("change", close);
  document.addEventListener("keydown", onKey);

  return {
    open,
    close,
    dispose() {
      for (const query of queries) query.removeEventListener("change", close);
      document.removeEventListener("keydown", onKey);
    },
  };
}

/** The way back for whoever has neither Escape nor sight of the shade. */
export const awayButton = (close) =>
  h("button", { class: "icon-button away", onclick: close }, icon("close"), unseen("Close"));
