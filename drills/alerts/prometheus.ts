import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../test/support/files.ts";
import { freePort, spawnKitProcess } from "../../test/support/redis-process.ts";
import { until } from "../../test/support/until.ts";

export const prometheusInstalled = spawnSync("prometheus", ["--version"]).error === undefined;

export interface Prometheus {
  readonly url: string;
  /** Names of the alerts that fire now. */
  firing(): Promise<string[]>;
  /** Asks these from now on. */
  watch(servers: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const scrapeMs = 500;
const seconds: Record<string, number> = { s: 1, m: 60, h: 3_600 };
const ms = (amount: string, unit: string) => Number(amount) * (seconds[unit] ?? 0) * 1_000;

/** The shipped rules with a minute as a second; a range still spans several looks. */
export function hurried(rules: string): string {
  return rules
    .replace(/\bfor: (\d+)([smh])\b/g, (_, amount, unit) => `for: ${Math.max(1, Math.round(ms(amount, unit) / 60))}ms`)
    .replace(/\[(\d+)([smh])\]/g, (_, amount, unit) => `[${Math.max(4 * scrapeMs, ms(amount, unit) / 60)}ms]`);
}

/** A real Prometheus with the shipped alerts, which asks the servers of the drill. */
export async function startPrometheus(servers: readonly string[]): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-prometheus-"));
  const shipped = join(root, "monitoring/alerts");
  await mkdir(join(folder, "alerts"));
  for (const file of await readdir(shipped))
    if (file.endsWith(".yml"))
      await writeFile(join(folder, "alerts", file), hurried(await readFile(join(shipped, file), "utf8")));
  const config = {
    global: { scrape_interval: `${scrapeMs}ms`, scrape_timeout: `${scrapeMs}ms`, evaluation_interval: `${scrapeMs}ms` },
    rule_files: ["alerts/*.yml"],
    scrape_configs: [{ job_name: "sluice", file_sd_configs: [{ files: ["servers.json"], refresh_interval: "1s" }] }],
  };
  let watched = servers.length;
  async function tell(urls: readonly string[]): Promise<void> {
    watched = urls.length;
    const text = JSON.stringify([{ targets: urls.map((url) => new URL(url).host) }]);
    await writeFile(join(folder, "servers.new"), text);
    await rename(join(folder, "servers.new"), join(folder, "servers.json"));
  }
  await tell(servers);
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const kit = await spawnKitProcess("prometheus", [
    ...["--config.file", join(folder, "prometheus.yml"), "--storage.tsdb.path", join(folder, "data")],
    ...["--web.listen-address", `127.0.0.1:${port}`, "--log.level", "error"],
  ]);
  const close = async () => {
    await kit.kill();
    await rm(folder, { recursive: true, force: true });
  };
  async function firing(): Promise<string[]> {
    const { data } = (await (await fetch(`${url}/api/v1/alerts`)).json()) as {
      data: { alerts: { state: string; labels: { alertname: string } }[] };
    };
    return [...new Set(data.alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels.alertname))];
  }
  async function asked(): Promise<boolean> {
    const answer = await fetch(`${url}/api/v1/query?query=sum(up)`);
    const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1]) === watched;
  }
  const allAsked = () =>
    until(asked, { timeoutMs: 60_000, everyMs: 100, describe: "Prometheus to have asked every server" });
  try {
    await allAsked();
    return {
      url,
      firing,
      close,
      watch: (urls) =>
        tell(urls)
          .then(allAsked)
          .then(() => undefined),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
