import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Deployed, DeployedSecrets } from "./deployment.ts";
import { root } from "./files.ts";

/** What the pages ask the machine to start and stop, as `program arguments`, and what does it here. */
export type Services = Record<string, () => Promise<unknown>>;

/** Runs lines as they stand on a page; answers the exit code and what was printed. */
export type RunLines = (lines: string) => Promise<{ code: number | null; output: string }>;

export interface Shell {
  run: RunLines;
  /** Where the lines are run. */
  readonly folder: string;
  close(): Promise<void>;
}

export interface ShellOptions {
  env: Record<string, string>;
  services: Services;
  /** What stands for the containers, by the names of their services. */
  containers?: Record<string, string>;
  /** What is run before each of them: how a page says that its words are to be understood. */
  preamble?: string;
  /** The folder `secrets` beside docker-compose.yml; without one, lines are run where the program is. */
  secrets?: string;
}

const exported = (variables: Record<string, string>) =>
  Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);

/** A process of the deployment, as a container. */
export const containerOf = ({ port, dir }: Deployed, { folder }: DeployedSecrets) =>
  [...exported({ PORT: String(port), DATA: dir, SECRETS: folder }), `data='${dir}'`].join("\n");

/** The commands of the operator's door, as the container of a server runs them. */
export const containerOfServer = (env: Record<string, string>) => [`cd '${root}'`, ...exported(env)].join("\n");

/** A shell with the programs of the pages that this machine has not: nothing here is a service or a container. */
export async function createShell(options: ShellOptions): Promise<Shell> {
  const { env, services, containers = {}, preamble = "", secrets } = options;
  const folder = await mkdtemp(join(tmpdir(), "sluice-pages-"));
  const server = createServer(async (req, res) => {
    let asked = "";
    for await (const chunk of req) asked += chunk;
    const service = services[asked];
    const code = await (service ? service().then(() => 200) : Promise.resolve(404)).catch(() => 500);
    res.writeHead(code).end(code === 200 ? "" : `${code === 404 ? "nothing here knows" : "it did not work"}: ${asked}`);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const ask = `http://127.0.0.1:${port}/`;
  const places = { CONTAINERS: join(folder, "containers"), ROOT: root, ASK: ask };
  const said = Object.entries(places).map(([name, value]) => `${name}='${value}'`);
  const programs = {
    docker: `${said.join(" ")} exec bash "${join(root, "test/support/docker.sh")}" "$@"`,
    systemctl: `exec curl -sS --fail-with-body --data-binary "systemctl $*" "${ask}"`,
  };
  for (const name of ["bin", "containers", "here"]) await mkdir(join(folder, name));
  for (const [name, text] of Object.entries(containers)) await writeFile(join(folder, "containers", name), `${text}\n`);
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(folder, "bin", name), `#!/bin/bash\n${text}\n`);
    await chmod(join(folder, "bin", name), 0o755);
  }
  if (secrets) await symlink(secrets, join(folder, "here", "secrets"));
  const cwd = secrets ? join(folder, "here") : root;
  const { PATH = "", HOME = "" } = process.env;
  const all = { ...env, HOME, PATH: `${join(folder, "bin")}${delimiter}${PATH}` };
  return {
    folder: cwd,
    run: (lines) => runShell(`${preamble}\n${lines}`, cwd, all),
    async close() {
      await new Promise((done) => server.close(done));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const longestMs = 60_000;

function runShell(lines: string, cwd: string, env: Record<string, string>): ReturnType<RunLines> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-o", "pipefail", "-c", lines], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: longestMs,
    });
    let output = "";
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: output.trim() }));
  });
}

/** For the pages about the one Redis of the deployment. */
export function shellBeside(redis: Deployed, secrets: DeployedSecrets): Promise<Shell> {
  return createShell({
    env: {},
    services: {
      "docker compose stop redis": () => redis.kill(),
      "docker compose up -d --wait redis": () => redis.start(),
    },
    containers: { redis: containerOf(redis, secrets) },
    secrets: secrets.folder,
  });
}
