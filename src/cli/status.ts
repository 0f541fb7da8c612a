import { Command } from "commander";
import { integer } from "../config/kinds.ts";
import type { InstanceReport } from "../mongo/instances.ts";
import type { HistoryEntry, SessionSettings } from "../mongo/settings-types.ts";
import { type FleetStatus, fleetStatus } from "../sessions/dial/status.ts";
import { answer, as, type Desk, table } from "./desk.ts";
import { dialWords } from "./dial.ts";
import { inHouse, noServer } from "./house.ts";

function row(report: InstanceReport): string[] {
  const { serverId, version, revision, mode, percent, epoch, redis, reading, reason, streamLive, streamLagMs } = report;
  const from = reading === "redis" ? "redis" : `mongo (${reason})`;
  const lag = streamLagMs === null ? "none" : `${streamLive ? "" : "behind, "}${streamLagMs} ms`;
  return [serverId, version, String(revision), mode, `${percent} %`, String(epoch), redis, from, lag];
}

const head = ["SERVER", "VERSION", "REVISION", "MODE", "DIAL", "EPOCH", "REDIS", "BUCKET READ FROM", "STREAM"];

function lines({ dial, redisDisabled, instances, converged, differs }: FleetStatus, place: string): string[] {
  const by = dial.stored ? `revision ${dial.revision}` : "nobody has turned it yet";
  const killed = redisDisabled ? ["The kill switch is ON: no command goes to Redis."] : [];
  const agree =
    instances.length === 0
      ? noServer(place)
      : converged
        ? "converged"
        : `NOT converged: the servers differ in ${differs.join(", ")}`;
  return [
    `The dial: ${dialWords(dial)} (${by})`,
    ...killed,
    ...(instances.length > 0 ? table([head, ...instances.map(row)]) : []),
    ...instances.flatMap(({ serverId, amiss = [] }) => amiss.map((words) => `At ${serverId}: ${words}`)),
    agree,
  ];
}

export function statusCommand(desk: Desk): Command {
  return new Command("status")
    .description("show the dial and every live server; exit code 1 unless they all agree")
    .option("--json", "answer in JSON")
    .action(({ json }: { json?: boolean }) =>
      inHouse(desk, async (house) => {
        const status = await fleetStatus(house);
        answer(desk, json, { ...status, place: house.place }, lines(status, house.place));
        if (!status.converged) desk.fail();
      }),
    );
}

function turnWords(to: SessionSettings, from: SessionSettings | undefined): string {
  const at = ({ mode, percent }: SessionSettings) => `${mode} ${percent} %`;
  const parts = [from ? `${at(from)} → ${at(to)}` : at(to)];
  if (to.ramp) parts.push(`ramp to ${to.ramp.to} %`);
  else if (from?.ramp) parts.push("no ramp any more");
  if (from && from.oldServers !== to.oldServers) parts.push(`old servers ${to.oldServers ? "on" : "off"}`);
  return parts.join(", ");
}

function changeWords({ from, to, act }: HistoryEntry): string {
  if (act) return `${act.what}: ${act.outcome ?? "begun"}`;
  const parts: string[] = [];
  if (to.redisDisabled !== undefined) parts.push(`kill switch ${to.redisDisabled ? "on" : "off"}`);
  if (to.sessions) parts.push(turnWords(to.sessions, from.sessions));
  for (const [name, on] of Object.entries(to.caches ?? {}))
    if (from.caches?.[name] !== on) parts.push(`cache ${name} ${on ? "on" : "off"}`);
  return parts.join(", ");
}

export function historyCommand(desk: Desk): Command {
  return new Command("history")
    .description("show who changed or did what, when and why; newest first")
    .option("--limit <count>", "how many lines", as(integer(1, 10_000)), 20)
    .option("--json", "answer in JSON")
    .action(({ json, limit }: { json?: boolean; limit: number }) =>
      inHouse(desk, async ({ settings }) => {
        const entries = await settings.history(limit);
        const rows = entries.map((entry) => [
          String(entry.revision ?? "-"),
          entry.at.toISOString(),
          entry.who,
          changeWords(entry),
          entry.why,
        ]);
        answer(desk, json, entries, rows.length > 0 ? table(rows) : ["Nothing has been changed yet."]);
      }),
    );
}
