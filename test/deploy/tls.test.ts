import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets } from "../support/deployment.ts";
import { patient } from "../support/door.ts";
import { root } from "../support/files.ts";
import { createBrowser } from "../support/http.ts";
import { ask } from "../support/resp.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

describe("the deployment with certificates", { timeout: 60_000 }, () => {
  const url = mongoUrl("deploy-tls");
  let secrets: DeployedSecrets;
  let folder = "";
  const processes: Deployed[] = [];
  const chats: Chat[] = [];
  const certificates = () => join(folder, "tls");
  /** redis-cli as the operator, over TLS, as the entrypoint has it. */
  const cli = async ({ port }: Deployed, ...command: string[]) => {
    const env = { ...process.env, PORT: String(port), SECRETS: secrets.folder, CERTIFICATES: certificates() };
    return (await run(join(root, "sentinel/entrypoint.sh"), ["cli", ...command], { env })).stdout;
  };
  const start = async (options: { kind: "redis" | "sentinel"; master?: number }) => {
    const one = await deploy({ ...options, secrets, announce: "localhost", certificates: certificates() });
    processes.push(one);
    return one;
  };
  async function chat(env: Record<string, string>): Promise<Chat> {
    const password = { REDIS_USERNAME: "sluice", REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password` };
    const one = await startChat({
      env: { MONGODB_URL: url, SESSION_REDIS_PERCENT: "100", ...patient, ...password, ...env },
    });
    chats.push(one);
    return one;
  }
  const health = async ({ url: at }: Chat) => (await createBrowser(at).get("/health/redis")).body;
  const isUp = (one: Chat) =>
    until(async () => (await health(one)).status === "pass", {
      timeoutMs: 30_000,
      describe: "Redis to be up over TLS",
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-certificates-"));
    [secrets] = await Promise.all([
      makeSecrets(),
      run(join(root, "sentinel/make-certificates.sh"), [folder], { env: process.env }),
    ]);
  });
  afterAll(async () => {
    await Promise.all(chats.map((one) => one.stop()));
    await Promise.all(processes.map((one) => one.close()));
    await secrets?.remove();
    await rm(folder, { recursive: true, force: true });
    await dropDatabase(url);
  });

  it("keeps the key of its authority out of what the containers see, which every user of theirs can read", () => {
    const mode = (path: string) => (statSync(join(folder, path)).mode & 0o777).toString(8);
    expect([mode("."), mode("ca.key")]).toEqual(["700", "400"]);
    expect(["tls", "tls/ca.pem", "tls/redis.pem", "tls/redis.key"].map(mode)).toEqual(["755", "444", "444", "444"]);
  });

  it("serves the chat by rediss://, and nobody who does not speak TLS or whose authority is another", async () => {
    const redis = await start({ kind: "redis" });
    const REDIS_URL = `rediss://localhost:${redis.port}`;
    const good = await chat({ REDIS_URL, REDIS_CA_FILE: join(certificates(), "ca.pem") });
    await isUp(good);
    expect((await createBrowser(good.url).register("ann")).status).toBe(201);
    await until(async () => (await cli(redis, "--scan", "--pattern", "session:*")).includes("session:"));
    const who = { username: "sluice", password: secrets.read("redis_password"), timeoutMs: 2_000 };
    await expect(ask(redis.port, ["PING"], who)).rejects.toThrow();

    const stranger = await chat({ REDIS_URL });
    const refused = async () => {
      const { status, output = "" } = await health(stranger);
      return status === "warn" && /certificate/.test(output);
    };
    await until(refused, { timeoutMs: 30_000 });
    const person = createBrowser(stranger.url);
    expect((await person.login("ann")).status).toBe(200);
  });

  it("lets replicas and sentinels speak TLS among themselves, and the chat find its master through them", async () => {
    const master = await start({ kind: "redis" });
    const replica = await start({ kind: "redis", master: master.port });
    const sentinel = await start({ kind: "sentinel", master: master.port });
    await until(async () => (await cli(replica, "info", "replication")).includes("master_link_status:up"), {
      timeoutMs: 30_000,
    });
    const one = await chat({
      REDIS_SENTINEL: `mymaster@localhost:${sentinel.port}`,
      REDIS_SENTINEL_USERNAME: "sluice",
      REDIS_SENTINEL_PASSWORD_FILE: `${secrets.folder}/redis_password`,
      REDIS_TLS: "true",
      REDIS_CA_FILE: join(certificates(), "ca.pem"),
    });
    await isUp(one);
    expect((await createBrowser(one.url).register("bob")).status).toBe(201);
    await until(async () => (await cli(replica, "--scan", "--pattern", "session:*")).includes("session:"));
  });
});
