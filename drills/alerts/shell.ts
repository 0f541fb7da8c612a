import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { root } from "../../test/support/files.ts";

/** What the runbook asks the machine for, as `program arguments`, and what does it here. */
export type Services = Record<string, () => Promise<unknown>>;

export interface Shell {
  run: RunLine;
  close(): Promise<void>;
}

/** Runs a command line as it stands in the runbook; answers the exit code and what it printed. */
type RunLine = (line: string) => Promise<{ code: number | null; output: string }>;

const programs = ["systemctl", "docker"];

/** A shell with the programs of the runbook that this machine has under another name, or not at all. */
export async function createShell(services: Services, env: Record<string, string>): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-runbook-"));
  // Nothing here is a service or a container: what systemctl and docker are asked for, the drill does.
  const server = createServer(async (req, res) => {
    let asked = "";
    for await (const chunk of req) asked += chunk;
    const service = services[asked];
    const code = await (service ? service().then(() => 200) : Promise.resolve(404)).catch(() => 500);
    res.writeHead(code).end(code === 404 ? `the drill does not know: ${asked}` : "");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const ask = (program: string) =>
    `exec curl -sS --fail-with-body --data-binary "${program} $*" "http://127.0.0.1:${port}/"`;
  const scripts = {
    sluice: `exec "${process.execPath}" "${join(root, "dist/src/cli.js")}" "$@"`,
    ...Object.fromEntries(programs.map((program) => [program, ask(program)])),
  };
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  const { PATH = "", HOME = "" } = process.env;
  return {
    run: (line) => runShell(line, { ...env, HOME, PATH: `${folder}${delimiter}${PATH}` }),
    async close() {
      await new Promise((done) => server.close(done));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const longestMs = 60_000;

function runShell(line: string, env: Record<string, string>): ReturnType<RunLine> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", line], {
      cwd: root,
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
