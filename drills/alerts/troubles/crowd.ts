import { Agent, request } from "node:http";
import type { Stage } from "../stage.ts";
import type { Afterwards, Trouble } from "../trouble.ts";

/** Until the server is as quick as it gets, and then for so long again, to see how quick that is. */
const settleMs = 2_000;
const beyond = 1.3;
const atOnce = 24;

/** As long as a body may be: a server has to read it, and whoever sends it has no work with it. */
const body = JSON.stringify({ identifier: Array.from({ length: 5_000 }, (_, at) => at) });
const headers = { "Content-Type": "application/json", "Content-Length": body.length };

/** More people than one server can answer, by turns at all that there are; whoever finds no place goes away. */
async function causeCrowd(stage: Stage): Promise<Afterwards> {
  const agent = new Agent({ keepAlive: true });
  let answered = 0;
  let under = 0;
  const ask = (at: number) =>
    new Promise<void>((done) => {
      const { url } = stage.servers[at % stage.servers.length] ?? { url: "" };
      const over = () => {
        under -= 1;
        answered += 1;
        done();
      };
      under += 1;
      request(`${url}/api/login`, { method: "POST", agent, headers }, (answer) => {
        answer.resume().once("close", over);
      })
        .once("error", over)
        .end(body);
    });
  async function saturate(): Promise<number> {
    const [over, before] = [performance.now() + settleMs, answered];
    const people = Array.from({ length: atOnce }, async (_, at) => {
      while (performance.now() < over) await ask(at);
    });
    await Promise.all(people);
    return (answered - before) / settleMs;
  }
  await saturate();
  const perMs = (await saturate()) * beyond;
  const since = performance.now();
  let sent = 0;
  const crowd = setInterval(() => {
    const due = (performance.now() - since) * perMs;
    for (; sent < due; sent += 1) if (under < atOnce * stage.servers.length) void ask(sent);
  }, 5);
  return async () => {
    clearInterval(crowd);
    agent.destroy();
  };
}

export const crowdTroubles: readonly Trouble[] = [
  {
    alert: "ServerBusy",
    name: "more people than one server can answer",
    cause: causeCrowd,
    named: /"load":\[.*\d+ % of the event loop is used/,
    shown: /load event_loop: \d+ % of the event loop is used/,
  },
];
