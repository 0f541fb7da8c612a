import { Command } from "commander";
import { integer } from "../config/kinds.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { consoleTokens, loadSecrets } from "../config/secrets.ts";
import { withDatabases } from "../embedded/index.ts";
import { messageOf, StartError } from "../kernel/errors.ts";
import { createLifecycle } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import { as, type Desk } from "./desk.ts";
import { startBalancer } from "./serve/balancer.ts";
import { type Instance, startInstance } from "./serve/instance.ts";

const mostInstances = 32;
const againMs = 1_000;

/** What is the same for all of them, and what the balancer in front of them changes. */
function environmentOf(environment: Record<string, string | undefined>, config: Config, index: number) {
  const { MONGODB_URL, REDIS_URL, TRUST_PROXY, METRICS_TOKEN, SERVER_ID } = config;
  return {
    ...environment,
    ...(MONGODB_URL ? { MONGODB_URL } : {}),
    ...(REDIS_URL ? { REDIS_URL } : {}),
    HOST: "127.0.0.1",
    PORT: "0",
    TRUST_PROXY: String(TRUST_PROXY + 1),
    // Each has its own port on this machine, where its metrics may be read; the balancer lets nobody else there.
    ...(METRICS_TOKEN ? {} : { METRICS_PUBLIC: "true" }),
    SERVER_ID: `${SERVER_ID || "instance"}-${index + 1}`,
  };
}

async function serve(desk: Desk, count: number): Promise<void> {
  const { processes, signal, print } = desk;
  if (!processes) throw new StartError("Servers can be started from a shell only: sluice serve --instances 3");
  const { environment } = processes;
  const log: Log = { ...desk.log, info() {} };
  const config = loadConfig(environment);
  const life = createLifecycle(log, { stepMs: 13_000, totalMs: 20_000 });
  try {
    const { PATH: searchPath, XDG_CACHE_HOME: xdgCacheHome } = environment;
    const whole = await withDatabases(config, { searchPath, xdgCacheHome, life, log, say: print });
    // Made once, before several would make them at the same time.
    loadSecrets(whole);
    const tokens = consoleTokens(whole);
    const made = "made" in tokens && tokens.made ? { OPS_TOKEN: tokens.full } : {};
    const instances = new Map<number, Instance>();
    const leaving = new WeakSet<Instance>();
    /** On their way, by index: never two for one place. */
    const starting = new Map<number, Promise<void>>();
    const gone = new AbortController();
    let restarting = false;

    async function begin(index: number): Promise<void> {
      const instance = await startInstance({
        name: `instance-${index + 1}`,
        environment: environmentOf({ ...environment, ...made }, whole, index),
        print,
        signal: gone.signal,
      });
      instances.set(index, instance);
      print(`${instance.name} listens on http://127.0.0.1:${instance.port}`);
      void instance.exited.then(() => revive(index, instance));
    }

    function start(index: number): Promise<void> {
      const known = starting.get(index);
      if (known) return known;
      const begun = begin(index).finally(() => starting.delete(index));
      starting.set(index, begun);
      return begun;
    }

    async function startAgain(index: number, wanted = () => true): Promise<void> {
      for (let running = false; !running && !signal.aborted && wanted(); ) {
        running = await start(index).then(
          () => true,
          (error: unknown) => {
            print(messageOf(error));
            return false;
          },
        );
        if (!running) await pause(againMs, signal);
      }
    }

    async function revive(index: number, instance: Instance): Promise<void> {
      const wanted = () => instances.get(index) === instance && !leaving.has(instance);
      if (signal.aborted || !wanted()) return;
      print(`${instance.name} has ended by itself; it is started again.`);
      await pause(againMs, signal);
      await startAgain(index, wanted);
    }

    async function restartAll(): Promise<void> {
      for (const [index, instance] of instances) {
        if (signal.aborted) return;
        print(`${instance.name} is restarted.`);
        leaving.add(instance);
        await instance.stop();
        await startAgain(index, () => instances.get(index) === instance);
      }
      print("All instances were restarted.");
    }

    life.own("instances", instances, async (all) => {
      gone.abort();
      await Promise.all([...all.values()].map((instance) => instance.stop()));
      await Promise.allSettled(starting.values());
    });
    // The first one brings the database up to date.
    await start(0);
    await Promise.all(Array.from({ length: count - 1 }, (_, i) => start(i + 1)));
    const balancer = await startBalancer({
      host: config.HOST,
      port: config.PORT,
      targets: () => [...instances.values()],
      metrics: config.METRICS_PUBLIC || config.METRICS_TOKEN !== "",
    });
    life.own("the balancer", balancer, (it) => it.close());
    print(`${count} instances of sluice are ready at http://localhost:${balancer.port}`);
    if (made.OPS_TOKEN) print(`  console: http://localhost:${balancer.port}/ops#token=${made.OPS_TOKEN}`);
    print("  Ctrl-C stops them, and what was started for them; kill -HUP restarts them one after the other.");
    processes.onHangup(() => {
      if (restarting) return;
      restarting = true;
      void restartAll()
        .catch((error: unknown) => print(messageOf(error)))
        .finally(() => {
          restarting = false;
        });
    });
    if (!signal.aborted) await new Promise((done) => signal.addEventListener("abort", done, { once: true }));
    print("Stopping …");
  } finally {
    await life.close();
  }
}

export function serveCommand(desk: Desk): Command {
  return new Command("serve")
    .description("several servers behind one sticky address on this machine, to try out what several do")
    .option("--instances <n>", "how many", as(integer(1, mostInstances)), 3)
    .action(({ instances }: { instances: number }) => serve(desk, instances));
}
