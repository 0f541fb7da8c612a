import { h } from "../dom.js";
import { post } from "./api.js";
import { confirm } from "./confirm.js";
import { count, dialWords, duration, shareOf, time } from "./words.js";

const steps = [0, 1, 5, 10, 25, 50, 100];
const $ = (id) => document.getElementById(id);

/** How the dial would stand, in sessions that move. */
function movingWords(before, after, live) {
  const [from, to] = [shareOf(before), shareOf(after)];
  if (from === to) return "No session moves.";
  const where = to > from ? "to Redis" : "back to MongoDB";
  if (live === null) return `From ${from} % to ${to} %: sessions move ${where}.`;
  const moving = Math.round((live * Math.abs(to - from)) / 100);
  return `From ${from} % to ${to} %: about ${count(moving)} of ${count(live)} live sessions move ${where}.`;
}

export function dialView({ locked, announce }) {
  const [slider, number, mode, old] = [$("slider"), $("percent"), $("mode"), $("old-servers")];
  const buttons = steps.map((at) =>
    h("button", { type: "button", class: "step", onclick: () => want({ percent: at }) }, `${at}`),
  );
  $("steps").append(...buttons);
  /** What the operator has set and not yet confirmed. */
  let wish = {};
  let state;

  const standing = () => state.settings.sessions;
  const wished = () => ({ ...standing(), ...wish });

  function want(part) {
    wish = { ...wish, ...part };
    show(state);
  }

  slider.oninput = () => want({ percent: Number(slider.value) });
  number.oninput = () => {
    if (number.validity.valid) want({ percent: Number(number.value) });
    else $("turn").disabled = true;
  };
  mode.onchange = () => want({ mode: mode.value });
  old.onchange = () => want({ oldServers: old.checked });

  function turn() {
    const [before, after, { revision }] = [standing(), wished(), state.settings];
    const lines = [movingWords(before, after, state.liveSessions)];
    if (before.mode !== after.mode) lines.push(`The mode becomes ${after.mode}; it is ${before.mode}.`);
    if (before.oldServers !== after.oldServers)
      lines.push(after.oldServers ? "Old servers run beside again." : "No old server runs beside any more.");
    if (before.ramp) lines.push(`It ends the ramp to ${before.ramp.to} %.`);
    confirm({
      title: `Turn the dial to ${dialWords(after)}?`,
      lines,
      button: "Turn it",
      async act({ reason, force }) {
        const { percent, oldServers } = after;
        await post("dial", { percent, mode: after.mode, oldServers, reason, revision, force });
        wish = {};
      },
    });
  }

  function startRamp() {
    const [to, step, everyMs] = [$("ramp-to"), $("ramp-step"), $("ramp-every")].map(({ value }) => Number(value));
    const { percent: from } = standing();
    const { revision } = state.settings;
    const many = Math.ceil(Math.abs(to - from) / step);
    confirm({
      title: `Ramp from ${from} % to ${to} %?`,
      lines: [
        `${many} ${many === 1 ? "step" : "steps"} of ${step} %, one every ${duration(everyMs)}: about ${duration(many * everyMs)}.`,
        movingWords(standing(), { mode: "serve", percent: to }, state.liveSessions),
        "Every step is checked; the ramp ends when a check stands in its way.",
      ],
      button: "Start the ramp",
      async act({ reason, force }) {
        await post("ramp", { to, step, everyMs, reason, revision, force });
        wish = {};
      },
    });
  }

  $("turn").onclick = turn;
  $("ramp").onclick = () => {
    if ([$("ramp-to"), $("ramp-step")].every((input) => input.reportValidity())) startRamp();
  };
  $("abort").onclick = () => {
    const { revision, sessions } = state.settings;
    confirm({
      title: "End the ramp?",
      lines: [`The dial stays at ${sessions.percent} %.`],
      button: "End it",
      act: ({ reason }) => post("ramp/abort", { reason, revision }),
    });
  };

  function showControls() {
    const after = wished();
    if (document.activeElement !== number || number.validity.valid) {
      if (Number(number.value) !== after.percent || number.value === "") number.value = after.percent;
    }
    slider.value = after.percent;
    slider.ariaValueText = `${after.percent} percent`;
    mode.value = after.mode;
    old.checked = after.oldServers;
    for (const [at, button] of buttons.entries()) button.ariaPressed = String(steps[at] === after.percent);
    const changed = ["percent", "mode", "oldServers"].some((name) => after[name] !== standing()[name]);
    const words = changed ? movingWords(standing(), after, state.liveSessions) : "Choose where it should stand.";
    if ($("moving").textContent !== words) $("moving").textContent = words;
    $("turn").disabled = !changed || !number.validity.valid;
    $("wanted-level").style.width = `${shareOf(after)}%`;
    $("wanted-level").hidden = !changed;
  }

  function show(now) {
    const before = state?.settings.sessions;
    state = now;
    const { sessions, changedAt } = now.settings;
    const { ramp } = sessions;
    if (before && before.percent !== sessions.percent) announce(`The dial stands at ${dialWords(sessions)}.`);
    if (before?.ramp && !ramp) announce("The ramp has ended.");
    $("share").textContent = `${shareOf(sessions)} %`;
    const aside =
      sessions.mode === "serve" ? "" : `Mode ${sessions.mode}: the dial, at ${sessions.percent} %, does not count. `;
    $("standing").textContent = `${aside}${changedAt ? `Since ${time(changedAt)}` : "As the environment says"}`;
    $("level").style.width = `${shareOf(sessions)}%`;
    $("ramping").textContent = ramp
      ? `It goes on to ${ramp.to} % by ${ramp.step} every ${duration(ramp.everyMs)}; the next step is due at ${time(ramp.next)}.`
      : "The dial turns by itself, step by step, until it is there or a check stands in its way.";
    $("ramp-controls").hidden = ramp !== undefined;
    $("abort").hidden = ramp === undefined;
    $("abort").disabled = locked();
    $("dial-controls").disabled = locked();
    $("ramp-controls").disabled = locked();
    showControls();
  }
  return show;
}
