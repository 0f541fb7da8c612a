import { fill, h } from "../dom.js";
import { get, post } from "./api.js";
import { confirm } from "./confirm.js";
import { changeWords, count, dateTime, dialWords, duration } from "./words.js";

const $ = (id) => document.getElementById(id);
const breakers = { up: "closed", degraded: "closed", recovering: "half open", down: "open", disabled: "–" };
const cell = (label, text, kind) => h("td", { "data-label": label, class: kind }, text);

export function serversView({ announce }) {
  let shown;
  let agreed;
  return ({ instances, converged, differs, at }) => {
    const words = converged
      ? "converged"
      : instances.length === 0
        ? "none is heard"
        : `differ in ${differs.join(", ")}`;
    if (agreed !== undefined && agreed !== words) announce(`Servers: ${words}.`);
    agreed = words;
    $("converged").textContent = words;
    $("converged").className = `badge ${converged ? "good" : "bad"}`;
    const rows = instances.map((one) => {
      const { serverId, version, revision, redis, reading, reason, streamLive, streamLagMs } = one;
      const heard = Math.max(0, Math.round((at - new Date(one.at)) / 1_000));
      const from = reading === "redis" ? "Redis" : `MongoDB (${reason})`;
      const lag = streamLagMs === null ? "none" : `${streamLive ? "" : "behind, "}${streamLagMs} ms`;
      return [
        ["Server", serverId],
        ["Release", version],
        ["Revision", revision],
        ["Dial", dialWords(one)],
        ["Redis", redis, redis === "up" ? "good" : "bad"],
        ["Breaker", breakers[redis] ?? redis, breakers[redis] === "open" ? "bad" : ""],
        ["Sessions from", from],
        ["Change stream", lag, streamLive ? "" : "bad"],
        ["Heard", heard < 3 ? "now" : `${heard} s ago`, heard < 3 ? "" : "bad"],
      ];
    });
    // Only when something is another, so that a screen reader is not thrown out of the table each second.
    const text = JSON.stringify(rows.map((row) => row.filter(([label]) => label !== "Change stream" || row[7][2])));
    if (text === shown) return;
    shown = text;
    fill(
      $("servers"),
      rows.map((row) =>
        h(
          "tr",
          {},
          row.map(([label, value, kind]) => cell(label, String(value), kind)),
        ),
      ),
    );
  };
}

const few = 8;

export function historyView() {
  let known;
  let all = false;
  let entries = [];

  function draw() {
    const shown = all ? entries : entries.slice(0, few);
    const none = h("tr", {}, h("td", { colspan: "5" }, "Nothing has been changed yet."));
    fill(
      $("history"),
      shown.length === 0
        ? none
        : shown.map((entry) =>
            h(
              "tr",
              {},
              cell("When", dateTime(entry.at)),
              cell("Who", entry.who),
              cell("What", changeWords(entry)),
              cell("Why", entry.why),
              cell("Revision", String(entry.revision ?? "–"), "number"),
            ),
          ),
    );
    $("more").hidden = all || entries.length <= few;
  }
  $("more").onclick = () => {
    all = true;
    draw();
  };

  return ({ settings, acts, server }) => {
    const now = [settings.revision, acts, server.since].join();
    if (now === known) return;
    known = now;
    get("history").then(
      (found) => {
        entries = found;
        draw();
      },
      () => {
        known = undefined;
      },
    );
  };
}

const about = {
  same: "as in MongoDB",
  missing: "without a copy; the next read makes it",
  old: "of an earlier epoch, believed by nobody",
  foreign: "written by a stock connect-redis; Import brings them in",
  unsettled: "written again and again meanwhile",
  differing: "WRONG: the copy says something else",
  orphaned: "WRONG: a copy of no session",
  ends: "WRONG: it lives longer or shorter than its session",
  copied: "to Redis",
  outrun: "read or written at that moment; the next read copies them",
  gone: "ended meanwhile",
  unportable: "not to be written as JSON; they stay in MongoDB",
  swept: "copies of no session, removed",
};
const imported = {
  created: "MongoDB did not know them",
  updated: "newer than in MongoDB",
  same: "as in MongoDB",
  older: "than what MongoDB has, which stays",
  ours: "copies of what MongoDB has",
  ended: "destroyed here; they stay so",
  unreadable: "no sessions; left as they are",
  busy: "written meanwhile; import again",
};
const names = { verify: "Verify", backfill: "Backfill", import: "Import" };
const again = { verify: "Stopped before the end.", backfill: "Stopped; start it again to go on." };

function verdict({ kind, result, problem }) {
  if (problem) return problem;
  if (result.stopped) return again[kind] ?? "Stopped; start it again.";
  if (kind !== "verify") return "Done.";
  if (result.clean) return result.complete ? "Clean, and every session has a copy." : "Clean.";
  return "NOT clean: look at what differs before the dial is turned up.";
}

function resultOf(job) {
  const { findings = {}, sessions, keys, ...rest } = job.result ?? {};
  const words = job.kind === "import" ? imported : about;
  const counts = Object.entries({ ...findings, ...rest }).filter(([name, n]) => words[name] && n > 0);
  const many = job.kind === "import" ? `${count(keys ?? 0)} keys` : `${count(sessions ?? 0)} sessions`;
  return [
    h("p", { class: job.problem || job.result?.clean === false ? "problem" : "" }, h("b", {}, verdict(job))),
    job.result && h("p", {}, `${many} in ${duration(job.ended - job.began)}.`),
    h(
      "ul",
      {},
      counts.map(([name, n]) => h("li", {}, h("b", {}, count(n)), ` ${name}: ${words[name]}`)),
    ),
  ];
}

export function jobView({ locked, announce }) {
  let shown;
  let last;
  // How often they are refused is up to the server: another console may have begun one.
  const start = (kind) => post(kind).catch(({ message }) => announce(message, true));
  $("verify").onclick = () => start("verify");
  $("backfill").onclick = () =>
    confirm({
      title: "Copy every live session to Redis?",
      lines: ["It can be stopped at any time, and goes on there later. What is newer is never overwritten."],
      button: "Begin",
      optional: true,
      act: ({ reason }) => post("backfill", { reason }),
    });
  $("import").onclick = () =>
    confirm({
      title: "Bring in the sessions that a stock connect-redis wrote?",
      lines: [
        "Each goes to MongoDB, unless MongoDB has something newer, and its key in Redis becomes a copy of ours. Verify counts them beforehand, as foreign.",
        "Logouts that happened while connect-redis served alone are not brought in: for those stop the servers, and see sluice sessions import --help.",
      ],
      button: "Begin",
      act: ({ reason }) => post("import", { reason }),
    });
  $("stop").onclick = () => post("stop").catch(({ message }) => announce(message, true));

  return ({ job }) => {
    const running = job !== null && job.ended === null;
    for (const id of ["verify", "backfill", "import"]) $(id).disabled = locked() || running;
    $("stop").hidden = !running;
    $("stop").disabled = locked();
    if (last && job && last.ended === null && !running) announce(`The ${job.kind} has ended. ${verdict(job)}`);
    last = job;
    const text = JSON.stringify(job);
    if (text === shown) return;
    shown = text;
    if (job === null) return fill($("job"));
    const name = names[job.kind];
    const head = h("h3", {}, `${name}, begun ${dateTime(job.began)} from the ${job.who}`);
    if (!running) return fill($("job"), head, resultOf(job));
    const progress = h("progress", {
      "aria-label": name,
      max: job.total || undefined,
      value: job.total ? job.done : undefined,
    });
    fill(
      $("job"),
      head,
      progress,
      h(
        "p",
        {},
        `${count(job.done)}${job.total ? ` of ${count(job.total)}` : ""} ${job.kind === "import" ? "keys" : "sessions"}`,
      ),
    );
  };
}
