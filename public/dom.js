/** An element. Text goes in as text nodes only, so nothing anybody writes can become markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...shown(children));
  return element;
}

const shown = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== false);

export function fill(element, ...children) {
  element.replaceChildren(...shown(children));
}

const SVG = "http://www.w3.org/2000/svg";

/** Symbols of index.html, one over the other; decoration only, the words beside it carry the meaning. */
export function icon(names, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  for (const name of names.split(" ")) {
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `#${name}`);
    svg.append(use);
  }
  return svg;
}

export const unseen = (text) => h("span", { class: "unseen" }, text);
