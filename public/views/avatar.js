import { h } from "../dom.js";
import { hue, initials } from "../format.js";

export function avatar(nickname) {
  const element = h("span", { class: "avatar", "aria-hidden": "true" }, initials(nickname));
  element.style.setProperty("--hue", hue(nickname));
  return element;
}
