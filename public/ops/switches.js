import { fill, h } from "../dom.js";
import { post } from "./api.js";
import { confirm } from "./confirm.js";
import { figure, percent } from "./words.js";

const $ = (id) => document.getElementById(id);

export function killView({ locked, announce }) {
  let state;
  const button = $("kill");
  button.onclick = () => {
    const on = !state.settings.redisDisabled;
    confirm({
      title: on ? "Switch Redis off everywhere?" : "Let Redis in again?",
      lines: on
        ? ["No server sends Redis anything any more; MongoDB answers for everything. Nobody is logged out."]
        : ["Every server connects to Redis again, and goes by the dial and the switches."],
      button: on ? "Switch Redis off" : "Let Redis in",
      danger: on,
      act: ({ reason }) => post("kill", { on, reason }),
    });
  };
  return (now) => {
    const { redisDisabled, disabledBy } = now.settings;
    if (state && state.settings.redisDisabled !== redisDisabled)
      announce(`The kill switch is ${redisDisabled ? "on" : "off"}.`);
    state = now;
    const environment =
      disabledBy === "environment" ? " DISABLE_REDIS keeps Redis off at this server until a restart without it." : "";
    $("kill-words").textContent = redisDisabled
      ? `On: nothing goes to Redis, MongoDB answers for everything.${environment}`
      : `Off: Redis is used as the dial and the switches say.${environment}`;
    button.textContent = redisDisabled ? "Let Redis in again…" : "Switch Redis off…";
    button.className = redisDisabled ? "" : "danger";
    button.disabled = locked();
  };
}

export function cachesView({ locked, announce }) {
  const rows = new Map();
  let state;

  function turn(name) {
    const on = !state.caches.find((cache) => cache.name === name).wanted;
    const { revision } = state.settings;
    confirm({
      title: `Switch the cache ${name} ${on ? "on" : "off"}?`,
      lines: [
        on
          ? "It is filled anew, and read from Redis on every server."
          : "MongoDB answers in its place, on every server.",
      ],
      button: on ? "Switch it on" : "Switch it off",
      act: ({ reason }) => post("cache", { name, on, reason, revision }),
    });
  }

  function rowOf(name) {
    const button = h(
      "button",
      { role: "switch", "aria-label": `Cache ${name}`, onclick: () => turn(name) },
      h("span", {}),
    );
    const [words, hits, reads] = [h("small", {}), h("td", { class: "number" }), h("td", { class: "number" })];
    const element = h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h("td", {}, h("div", { class: "switch" }, button, words)),
      hits,
      reads,
    );
    return { element, button, words, hits, reads };
  }

  return (now) => {
    for (const { name, wanted } of state?.caches ?? []) {
      const after = now.caches.find((cache) => cache.name === name);
      if (after && after.wanted !== wanted) announce(`The cache ${name} is ${after.wanted ? "on" : "off"}.`);
    }
    state = now;
    if (now.caches.map(({ name }) => name).join() !== [...rows.keys()].join()) {
      rows.clear();
      for (const { name } of now.caches) rows.set(name, rowOf(name));
      const none = h("tr", {}, h("td", { colspan: "4" }, "This server has no Redis, so it has no caches."));
      fill($("caches"), rows.size > 0 ? [...rows.values()].map(({ element }) => element) : none);
    }
    for (const { name, wanted, on, doubt, hitRatio, reads } of now.caches) {
      const row = rows.get(name);
      row.button.ariaChecked = String(wanted);
      row.button.disabled = locked();
      row.words.textContent = !wanted ? "off" : on && !doubt ? "on" : "on, MongoDB answers";
      row.words.title = doubt ?? "";
      row.hits.textContent = percent(hitRatio);
      row.reads.textContent = figure(reads);
    }
  };
}
