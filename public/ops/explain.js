import { fill, h } from "../dom.js";
import { get, post } from "./api.js";
import { confirm } from "./confirm.js";
import { count, dateTime, duration } from "./words.js";

const $ = (id) => document.getElementById(id);
const rest = ({ at: _at, by: _by, what: _what, ...fields }) =>
  Object.entries(fields)
    .map(([field, value]) => `${field}: ${value}`)
    .join(", ");

function explanation({ key, type, state, entries, ttlMs, events }) {
  const life = ttlMs > 0 ? `, for another ${duration(Math.round(ttlMs / 1_000) * 1_000)}` : "";
  const there =
    type === "none"
      ? "is not there: the next read fills it from MongoDB"
      : `${type} of ${count(entries)}, ${state}${life}`;
  const lines = events.map((event) =>
    h("li", {}, h("b", {}, event.what), ` ${dateTime(event.at)}, at ${event.by} `, h("small", {}, rest(event))),
  );
  return [
    h("p", {}, h("code", {}, key), ` ${there}.`),
    lines.length > 0
      ? h("ul", { class: "events" }, lines)
      : h("p", { class: "soft" }, "Nothing has befallen it within the hour."),
  ];
}

/** What Redis holds of one cache, and the way to throw it away. */
export function explainView({ locked, announce }) {
  const [choice, key, answer] = [$("one-cache"), $("one-key"), $("explained")];
  let names = "";

  async function show(words) {
    try {
      fill(answer, await words());
    } catch ({ message }) {
      fill(answer, h("p", { class: "problem" }, message));
    }
    announce(answer.textContent);
  }

  $("one").onsubmit = (event) => {
    event.preventDefault();
    const query = new URLSearchParams({ name: choice.value, key: key.value.trim() });
    show(async () => explanation(await get(`cache?${query}`)));
  };
  $("flush").onclick = () => {
    const name = choice.value;
    confirm({
      title: `Throw the cache ${name} away?`,
      lines: [
        "Its keys are deleted, and whatever any server holds of any cache is old from then on: all of them are filled anew from MongoDB.",
        "Nothing is lost and nobody is logged out; MongoDB has more to do for a moment.",
      ],
      button: "Throw it away",
      async act({ reason }) {
        const { keys } = await post("cache/flush", { name, reason });
        const gone = keys === null ? "Redis gives no answer: its keys stay, and nobody believes them any more." : "";
        show(async () => h("p", {}, gone || `${count(keys)} keys of ${name} are deleted.`));
      },
    });
  };

  let keyed = [];
  const showKey = () => {
    $("one-key-label").hidden = !keyed.includes(choice.value);
    key.required = keyed.includes(choice.value);
    if (!key.required) key.value = "";
  };
  choice.onchange = showKey;

  return ({ caches }) => {
    const now = caches.map(({ name }) => name);
    if (now.join() !== names) {
      names = now.join();
      keyed = caches.filter((cache) => cache.keyed).map(({ name }) => name);
      fill(
        choice,
        now.map((name) => h("option", { value: name }, name)),
      );
      showKey();
    }
    $("one").hidden = now.length === 0;
    $("flush").disabled = locked();
  };
}
