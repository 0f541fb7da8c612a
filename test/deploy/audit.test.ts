import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../support/files.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const json = (body: unknown, status = 200): Answer => {
  return (_, response) =>
    void response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
};
const advice = (severity: string) => ({
  ...{ id: 1, url: "https://example.org/1", title: "a trial", severity, vulnerable_versions: "*" },
  ...{ cwe: [], cvss: { score: 9, vectorString: null } },
});
const versions = { "4.0.0": { name: "express", version: "4.0.0" }, "5.3.0": { name: "express", version: "5.3.0" } };
const against = (severity: string): Answer => {
  return (request, response) => {
    if (request.method === "POST") json({ express: [advice(severity)] })(request, response);
    else json({ name: "express", "dist-tags": { latest: "5.3.0" }, versions })(request, response);
  };
};

describe("the audit of what is shipped", { timeout: 60_000 }, () => {
  let answer: Answer;
  const registry = createServer((request, response) => answer(request, response));
  let port = 0;
  beforeAll(async () => {
    await once(registry.listen(0, "127.0.0.1"), "listening");
    port = (registry.address() as AddressInfo).port;
  });
  afterAll(() => {
    registry.closeAllConnections();
    registry.close();
  });

  async function audit(how: Answer, seconds = "60"): Promise<{ code: number | null; said: string }> {
    answer = how;
    const cache = mkdtempSync(join(tmpdir(), "sluice-audit-"));
    const env = { ...process.env, npm_config_registry: `http://127.0.0.1:${port}/`, npm_config_cache: cache };
    const child = spawn(join(root, ".ci/audit"), [seconds], { env, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number | null];
    rmSync(cache, { recursive: true, force: true });
    return { code, said };
  }

  it("ends well, and says so, when nothing is known against it", async () => {
    expect(await audit(json({}))).toEqual({ code: 0, said: expect.stringMatching(/: 0 of \d+ packages/) });
  });

  it.each([
    ["high", 1],
    ["moderate", 0],
  ])("names what is known, and a weakness that is %s ends with %i", async (severity, code) => {
    const line = new RegExp(`npm audit: ${severity}: express `);
    expect(await audit(against(severity))).toEqual({ code, said: expect.stringMatching(line) });
  });

  it("is held up by no registry that refuses or is silent", async () => {
    const unknown = { code: 0, said: expect.stringMatching(/not known/) };
    expect(await audit(json({ error: "no" }, 405))).toEqual(unknown);
    expect(await audit(() => {}, "3")).toEqual(unknown);
  });
});
