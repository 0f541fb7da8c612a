/** Run in the page: every visible text whose contrast with what is behind it is below WCAG AA. */
export const contrastFaults = `(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgb = (colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    return ["#fff", ...layers];
  };
  const modal = document.querySelector("dialog[open]");
  const faults = [];
  const walker = document.createTreeWalker(modal ?? document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest(".unseen, script")) continue;
    const background = behind(element);
    const [light, dark] = [rgb(background), rgb([...background, getComputedStyle(element).color])]
      .map(luminance)
      .sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faults.push(node.data.trim() + " " + ratio.toFixed(2));
  }
  return faults;
})()`;

/** Run in the page: every visible control without an accessible name, and every list or landmark left unnamed. */
export const nameFaults = `[...document.querySelectorAll("button, a, input, textarea, nav, aside, dialog[open], section")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => {
    const by = element.getAttribute("aria-labelledby");
    const name = element.ariaLabel ?? (by && document.getElementById(by)?.textContent) ?? element.labels?.[0]?.textContent;
    return !(name ?? (["BUTTON", "A"].includes(element.tagName) ? element.textContent : ""))?.trim();
  })
  .map((element) => element.outerHTML.slice(0, 120))`;
