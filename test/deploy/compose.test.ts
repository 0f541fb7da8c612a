import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { variables } from "../../src/config/variables.ts";
import { topologyOf } from "../../src/redis/topology.ts";
import { type ComposeFile, type ComposeService, composeFile, envFile, objectionsOf } from "../support/compose.ts";
import { type DeployedSecrets, makeSecrets } from "../support/deployment.ts";
import { copied, dockerfile, execForm } from "../support/dockerfile.ts";
import { root } from "../support/files.ts";

const file = composeFile();
const services = Object.entries(file.services).map(([name, service]) => ({ name, ...service }));
const endsByItself = ["migrate", "form-cluster"];
const of = (name: string): ComposeService => file.services[name] ?? {};
const names = (list: { name: string }[]) => list.map(({ name }) => name).sort();
const profile = (wanted: string) => names(services.filter(({ profiles = [] }) => profiles.includes(wanted)));

describe("docker-compose.yml", () => {
  it("is what the specification takes, which refuses what is not", () => {
    expect(objectionsOf(file)).toEqual([]);
    expect(objectionsOf({ ...file, services: { app: { ...of("app"), reed_only: true } } })).not.toEqual([]);
    expect(objectionsOf({ ...file, services: { app: { ...of("app"), healthcheck: { tests: [] } } } })).not.toEqual([]);
  });

  const engine = spawnSync("docker", ["compose", "version"]).status === 0;
  it.skipIf(!engine)("is understood by docker compose", () => {
    execFileSync("docker", ["compose", "config", "--quiet"], { cwd: root });
  });

  it("has one Redis by default, and the others by profile", () => {
    const sentinels = ["sentinel-1", "sentinel-2", "sentinel-3"];
    expect(names(services.filter(({ profiles }) => !profiles))).toEqual([
      "app",
      "haproxy",
      "migrate",
      "mongo",
      "redis",
    ]);
    expect(profile("sentinel")).toEqual(["redis-2", "redis-3", ...sentinels]);
    expect(profile("cluster")).toEqual([...[1, 2, 3, 4, 5, 6].map((n) => `cluster-${n}`), "form-cluster"]);
    expect(profile("observability")).toEqual(["alertmanager", "grafana", "prometheus", "redis-exporter"]);
    expect(composeFile(envFile("sentinel/cluster.env")).services.redis?.deploy?.replicas).toBe("0");
  });

  it.each(services)("gives $name no rights that it does not need", (service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      user: expect.stringMatching(/^[1-9]\d*:\d+$/),
      restart: endsByItself.includes(service.name) ? "no" : "unless-stopped",
    });
    expect(service).not.toHaveProperty("privileged");
    if (service.build === undefined) expect(service.image).toMatch(/^[\w/-]+:v?\d[\w.-]*$/);
  });

  it("opens ports to this machine alone, and the databases' network to nobody", () => {
    const ports = services.flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(2);
    expect(ports.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
    expect(file.networks.data?.internal).toBe(true);
    const inside = services.filter(({ name }) => /^(mongo|redis|sentinel|cluster|migrate|form)/.test(name));
    const networks = ({ networks: on = [] }: ComposeService) => (Array.isArray(on) ? on : Object.keys(on));
    for (const service of inside) expect(networks(service), service.name).toEqual(["data"]);
  });

  it("gives certificates to everything that speaks to Redis, when it is to speak TLS", () => {
    const { services: over } = parse(readFileSync(join(root, "sentinel/tls.yml"), "utf8"), {
      merge: true,
    }) as ComposeFile;
    const ofRedis = services.filter(({ volumes = [] }) => volumes.some((mount) => mount.startsWith("./sentinel:")));
    expect(Object.keys(over).sort()).toEqual(["app", "migrate", ...names(ofRedis)].sort());
    for (const [name, { environment, volumes }] of Object.entries(over)) {
      expect(volumes).toEqual(["./certificates/tls:/tls:ro"]);
      const told = ["app", "migrate"].includes(name)
        ? { REDIS_TLS: "true", REDIS_CA_FILE: "/tls/ca.pem" }
        : { CERTIFICATES: "/tls" };
      expect(environment, name).toEqual(told);
    }
    expect(objectionsOf({ services: over })).toEqual([]);
  });

  it("looks after the health of everything that goes on, the chat's by /health/live", () => {
    const unseen = services.filter(({ healthcheck, name }) => !healthcheck && !endsByItself.includes(name));
    expect(names(unseen)).toEqual(["haproxy", "redis-exporter"]);
    expect(of("app").healthcheck?.test.join(" ")).toContain("/health/live");
  });

  it("migrates once, before the servers, which do not", () => {
    expect(of("app").depends_on).toMatchObject({ migrate: { condition: "service_completed_successfully" } });
    expect(of("migrate")).toMatchObject({ command: ["node", "dist/src/cli.js", "migrate", "up"] });
    expect(of("app").environment?.MIGRATE_ON_START).toBe("false");
  });

  it("names only files, volumes and secrets that there are", () => {
    const mounts = services.flatMap(({ volumes = [] }) => volumes.map((mount) => mount.split(":")[0] ?? ""));
    const missing = mounts.filter((source) =>
      source.startsWith("./") ? !existsSync(join(root, source)) : !(source in file.volumes),
    );
    expect(missing).toEqual([]);
    const used = new Set(services.flatMap(({ secrets = [] }) => secrets));
    expect([...used].sort()).toEqual(Object.keys(file.secrets).sort());
    for (const [name, { file: path }] of Object.entries(file.secrets)) expect(path).toBe(`./secrets/${name}`);
    const ignored = readFileSync(join(root, ".gitignore"), "utf8").split("\n");
    expect(ignored).toEqual(expect.arrayContaining(["secrets/", "certificates/"]));
  });
});

describe("the chat in docker-compose.yml", () => {
  let secrets: DeployedSecrets;
  beforeAll(async () => {
    secrets = await makeSecrets();
  });
  afterAll(() => secrets.remove());

  it("is told nothing that it does not know, and secrets by file alone", () => {
    const told = Object.keys(of("app").environment ?? {});
    expect(told.map((name) => name.replace(/_FILE$/, "")).filter((name) => !(name in variables))).toEqual([]);
    const secret = Object.entries(variables)
      .filter(([, variable]) => variable.secret)
      .map(([name]) => name);
    // The address in REDIS_URL holds no password: that has a file of its own.
    expect(secret.filter((name) => !told.includes(`${name}_FILE`))).toEqual(["REDIS_URL"]);
    expect(secret.filter((name) => told.includes(name))).toEqual(["REDIS_URL"]);
    expect(of("app").environment?.REDIS_URL).not.toContain("@");
    const paths = Object.values(of("app").environment ?? {}).filter((value) =>
      String(value).startsWith("/run/secrets/"),
    );
    for (const path of paths) expect(of("app").secrets).toContain(path?.slice("/run/secrets/".length));
  });

  it.each([
    ["one Redis", {}, "single"],
    ["sentinels", envFile("sentinel/sentinel.env"), "sentinel"],
    ["a cluster", envFile("sentinel/cluster.env"), "cluster"],
  ])("finds %s", (_, env, kind) => {
    const told = Object.entries(composeFile(env).services.app?.environment ?? {});
    const here = told.map(([name, value]) => [name, String(value ?? "").replace("/run/secrets", secrets.folder)]);
    const config = loadConfig({ NODE_ENV: "production", HOST: "0.0.0.0", ...Object.fromEntries(here) });
    const topology = topologyOf(config);
    expect(topology.kind).toBe(kind);
    expect(topology).toMatchObject({ access: { username: "sluice", password: secrets.read("redis_password") } });
    expect(config.MONGODB_URL).toContain(secrets.read("mongo_password"));
  });

  it("has every secret made, readable for its container, in a folder for nobody else", () => {
    for (const name of Object.keys(file.secrets)) {
      expect(secrets.read(name).length, name).toBeGreaterThan(60);
      expect(statSync(join(secrets.folder, name)).mode & 0o777, name).toBe(0o644);
    }
    expect(statSync(secrets.folder).mode & 0o777).toBe(0o700);
    const before = secrets.read("jwt_secret");
    execFileSync(join(root, "sentinel/make-secrets.sh"), [secrets.folder]);
    expect(secrets.read("jwt_secret")).toBe(before);
  });
});

describe("the Dockerfile", () => {
  const stages = dockerfile();
  const [image] = stages.slice(-1);
  const instructions = image?.instructions ?? [];
  const all = (name: string) => instructions.filter((one) => one.name === name);

  it("builds in one stage, takes the packages of production from another, and nothing else", () => {
    expect(stages.map(({ name }) => name)).toEqual(["build", "packages", ""]);
    expect(new Set(stages.map((stage) => stage.image)).size).toBe(1);
    expect(image?.image).toMatch(/^node:\d+-[\w-]+$/);
    const packages = stages[1]?.instructions.find(({ name }) => name === "RUN");
    expect(packages?.rest).toMatch(/^npm ci --omit=dev/);
    expect(all("COPY").map(({ rest }) => rest)).toEqual([
      "--from=packages /app/node_modules ./node_modules",
      "--from=build /app/dist ./dist",
      "package.json ./",
      "public ./public",
      "docs/api ./docs/api",
    ]);
    expect(all("RUN")).toEqual([]);
  });

  it("runs the shipped program for production, as a user with a number who owns nothing", () => {
    expect(all("USER").map(({ rest }) => rest)).toEqual(["10001:10001"]);
    expect(all("ENV").map(({ rest }) => rest)).toContain("NODE_ENV=production");
    expect(all("CMD").map(execForm)).toEqual([["node", "--enable-source-maps", "dist/src/main.js"]]);
    expect(all("HEALTHCHECK")[0]?.rest).toContain("/health/live");
  });

  it("copies what there is, and lets the engine see nothing else", () => {
    const sources = stages
      .flatMap((stage) => stage.instructions.filter(({ name }) => name === "COPY").map(copied))
      .filter(({ from }) => from === undefined)
      .flatMap((copy) => copy.sources);
    expect(sources.filter((source) => !existsSync(join(root, source)))).toEqual([]);
    const seen = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
    expect(seen).toContain("*");
    expect(seen.filter((line) => line.startsWith("!")).sort()).toEqual(
      [...new Set(sources)].map((s) => `!${s}`).sort(),
    );
  });
});
