/** How figures, times and changes are said. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const calendar = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

export const count = (n) => whole.format(n);
export const figure = (n, unit = "") =>
  n === null || n === undefined
    ? "–"
    : `${Math.abs(n) >= 100 || n === 0 ? whole.format(n) : fine.format(n)}${unit && ` ${unit}`}`;
export const percent = (ratio) => (ratio === null ? "–" : `${whole.format(ratio * 100)} %`);
export const time = (at) => clock.format(new Date(at));
export const dateTime = (at) => `${calendar.format(new Date(at))}, ${time(at)}`;

export function duration(ms) {
  if (ms < 60_000) return `${figure(ms / 1_000)} s`;
  return ms < 3_600_000 ? `${figure(ms / 60_000)} min` : `${figure(ms / 3_600_000)} h`;
}

/** The share of the sessions that Redis answers for. */
export const shareOf = ({ mode, percent: at }) => (mode === "serve" ? at : 0);

export const dialWords = ({ mode, percent: at }) => (mode === "serve" ? `${at} %` : `${mode} (${at} %)`);

export function changeWords({ from, to, act }) {
  if (act) return `${act.what}: ${act.outcome ?? "begun"}`;
  const parts = [];
  if (to.redisDisabled !== undefined) parts.push(`kill switch ${to.redisDisabled ? "on" : "off"}`);
  const [before, after] = [from.sessions, to.sessions];
  if (after) {
    const moved = before && (before.mode !== after.mode || before.percent !== after.percent);
    if (moved || !before) parts.push(`dial ${before ? `${dialWords(before)} → ` : ""}${dialWords(after)}`);
    if (after.ramp && !before?.ramp) parts.push(`ramp to ${after.ramp.to} % begun`);
    if (before?.ramp && !after.ramp) parts.push("ramp ended");
    if (before && before.oldServers !== after.oldServers) parts.push(`old servers ${after.oldServers ? "yes" : "no"}`);
  }
  for (const [name, on] of Object.entries(to.caches ?? {}))
    if (from.caches?.[name] !== on) parts.push(`cache ${name} ${on ? "on" : "off"}`);
  return parts.join(", ") || "nothing";
}
