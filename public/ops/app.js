import { fill, h } from "../dom.js";
import { get, post } from "./api.js";
import { chartsView } from "./charts.js";
import { dialView } from "./dial.js";
import { explainView } from "./explain.js";
import { follow } from "./live.js";
import { keepPlace } from "./place.js";
import { cachesView, killView } from "./switches.js";
import { historyView, jobView, serversView } from "./tables.js";
import { shareOf, time } from "./words.js";

const $ = (id) => document.getElementById(id);
const root = $("root");
const screen = (id) => root.replaceChildren($(id).content.cloneNode(true));

/** For who does not see it; shown as well when it is `loud`. */
function announce(words, loud = false) {
  // Beside what was said a moment ago, which may still be on its way to somebody's ear.
  const line = h("p", {}, words);
  $("announcer").append(line);
  setTimeout(() => line.remove(), 10_000);
  if (loud) $("notices")?.append(h("p", { class: "notice bad" }, words));
}

function showEntry(words = "It takes the token in OPS_TOKEN, or OPS_READ_TOKEN to look only.") {
  screen("entry");
  $("entry-words").textContent = words;
  root.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    await logIn($("token").value);
  };
  $("token").focus();
}

async function logIn(token) {
  try {
    showConsole(await post("login", { token }));
    root.querySelector("h1").focus();
  } catch ({ message }) {
    if (!$("token")) showEntry();
    $("entry-problem").textContent = message;
    $("token").select();
  }
}

function showConsole({ role }) {
  screen("console");
  let staleSince = null;
  let state;
  const parts = { locked: () => role !== "full" || staleSince !== null, announce };
  const charts = chartsView();
  const views = [dialView, killView, cachesView, explainView, serversView, historyView, jobView].map((view) =>
    view(parts),
  );

  /** What servers say is not as it should be: each thing once, with all who say it. */
  function amiss() {
    const by = new Map();
    for (const { serverId, amiss = [] } of state?.instances ?? [])
      for (const words of amiss) by.set(words, [...(by.get(words) ?? []), serverId]);
    return [...by].map(([words, servers]) => `${servers.join(", ")}: ${words}.`);
  }

  function notices() {
    const { settings, problem } = state ?? {};
    const by = settings?.disabledBy === "environment" ? "by DISABLE_REDIS" : "by the kill switch";
    fill(
      $("notices"),
      staleSince !== null &&
        h(
          "p",
          { class: "notice bad" },
          `No connection to the server. What you see is from ${time(staleSince)}; reconnecting…`,
        ),
      role === "read" && h("p", { class: "notice" }, "You are here to look: this token changes nothing."),
      problem && h("p", { class: "notice bad" }, `What is known of the servers may be old: ${problem}.`),
      settings?.disabledBy &&
        h("p", { class: "notice bad" }, `Redis is switched off ${by}: MongoDB answers for everything.`),
      amiss().map((words) => h("p", { class: / Redis is /.test(words) ? "notice bad" : "notice" }, words)),
    );
  }

  let drawn = "";
  function show() {
    const held = document.activeElement;
    if (state) for (const view of views) view(state);
    keepPlace(held);
    const text = JSON.stringify([staleSince, state?.problem, state?.settings.disabledBy, amiss()]);
    if (text !== drawn) notices();
    drawn = text;
    $("link").textContent = staleSince === null ? (state ? "live" : "connecting…") : `stale since ${time(staleSince)}`;
    $("link").className = staleSince !== null ? "badge bad" : "badge good";
    root.classList.toggle("stale", staleSince !== null);
    const share = state ? `${shareOf(state.settings.sessions)} % · ` : "";
    document.title = `${staleSince === null ? "" : "stale · "}${share}sluice console`;
  }

  const live = follow({
    onState(now) {
      const again = state?.server.id === now.server.id && state.server.since + 1_000 < now.server.since;
      if (again) announce("The server was started again.");
      state = now;
      $("server").textContent = `${now.server.id}, release ${now.server.version}, since ${time(now.server.since)}`;
      charts.show(now);
      show();
    },
    onLive() {
      if (staleSince !== null) announce("Connected again.");
      staleSince = null;
    },
    onStale(since) {
      staleSince = since;
      announce(`No connection to the server. What you see is from ${time(since)}.`);
      show();
    },
    onOut: () => end("Your time here is over. Log in again."),
  });

  function end(words) {
    live.close();
    charts.close();
    $("confirm").close();
    showEntry(words);
  }
  $("leave").onclick = async () => {
    await post("logout").catch(() => undefined);
    end("You are logged out.");
  };
  show();
}

const [, handed] = /^#token=(.+)$/.exec(location.hash) ?? [];
// What is in the address would be kept in the browser's history.
if (location.hash) history.replaceState(null, "", location.pathname);
if (handed) logIn(decodeURIComponent(handed));
else
  get("session").then(
    (pass) => (pass.role ? showConsole(pass) : showEntry()),
    () => showEntry(),
  );
