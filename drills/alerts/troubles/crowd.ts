import { Agent, request } from "node:http";
import type { Stage } from "../stage.ts";
import type { Afterwards, Trouble } from "../trouble.ts";

const atOnce = 24;

/** As long as a body may be: a server has to read it, and whoever sends it has no work with it. */
const body = JSON.stringify({ identifier: Array.from({ length: 5_000 }, (_, at) => at) });
const headers = { "Content-Type": "application/json", "Content-Length": body.length };

/** People who come again as soon as one server lets them; of several they ask no more than that one has answered. */
async function causeCrowd(stage: Stage): Promise<Afterwards> {
  const agent = new Agent({ keepAlive: true });
  const ask = (at: number) =>
    new Promise<void>((done) => {
      const { url } = stage.servers[at % stage.servers.length] ?? { url: "" };
      request(`${url}/api/login`, { method: "POST", agent, headers }, (answer) => {
        answer.resume().once("close", done);
      })
        .once("error", () => done())
        .end(body);
    });
  let going = true;
  let answered = 0;
  const since = performance.now();
  let usualMs = 0;
  async function person(at: number): Promise<void> {
    for (let turn = at; going; turn += 1) {
      const began = performance.now();
      await ask(turn);
      answered += 1;
      if (stage.servers.length === 1) usualMs = (atOnce * (performance.now() - since)) / answered;
      else await new Promise((done) => setTimeout(done, Math.max(0, usualMs - (performance.now() - began))));
    }
  }
  const people = Array.from({ length: atOnce }, (_, at) => person(at));
  return async () => {
    going = false;
    await Promise.all(people);
    agent.destroy();
  };
}

export const crowdTroubles: readonly Trouble[] = [
  {
    alert: "ServerBusy",
    name: "more people than one server can answer",
    cause: causeCrowd,
    named: /"load":\[[^\]]*\d+ % of the event loop is used/,
    shown: /load event_loop: \d+ % of the event loop is used/,
  },
];
