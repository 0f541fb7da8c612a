import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { composeFile } from "../support/compose.ts";
import { root } from "../support/files.ts";

const read = (path: string) => parse(readFileSync(join(root, path), "utf8"));
const { services } = composeFile();

interface Route {
  receiver?: string;
  routes?: Route[];
}

describe("an alert that fires", () => {
  const prometheus = read("monitoring/prometheus.yml") as {
    alerting: { alertmanagers: { static_configs: { targets: string[] }[] }[] };
  };
  const alertmanager = read("monitoring/alertmanager.yml") as {
    route: Route;
    receivers: { name: string; webhook_configs: { url_file: string; send_resolved: boolean }[] }[];
  };

  it("goes from Prometheus to an Alertmanager that runs beside it", () => {
    const targets = prometheus.alerting.alertmanagers.flatMap((one) =>
      one.static_configs.flatMap((config) => config.targets),
    );
    expect(targets).toEqual(["alertmanager:9093"]);
    const { profiles, networks, volumes, ports } = services.alertmanager ?? {};
    expect(profiles).toEqual(services.prometheus?.profiles);
    expect(services.prometheus?.networks).toEqual(expect.arrayContaining(networks as string[]));
    expect(volumes).toContain("./monitoring/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro");
    expect(ports?.[0]).toMatch(/:9093$/);
  });

  it("is told to people at an address that a secret holds", () => {
    const wanted = (route: Route): (string | undefined)[] => [route.receiver, ...(route.routes ?? []).flatMap(wanted)];
    const names = alertmanager.receivers.map(({ name }) => name);
    for (const receiver of wanted(alertmanager.route)) expect(names).toContain(receiver);
    const files = alertmanager.receivers.flatMap((one) => one.webhook_configs.map((hook) => hook.url_file));
    expect(files).toEqual((services.alertmanager?.secrets ?? []).map((name) => `/run/secrets/${name}`));
    expect(files.length).toBe(1);
  });
});
