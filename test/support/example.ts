import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";
import { root } from "./files.ts";
import { until } from "./until.ts";

export interface Example {
  url: string;
  /** Ends it as an operator would, and expects that it ends well. */
  stop(): Promise<void>;
}

/** One of the apps in `examples/`, started with nothing set but what is given. */
export async function startExample(file: string, given: Record<string, string>): Promise<Example> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "examples", file)], {
    cwd: root,
    env: { PATH, HOME, PORT: "0", ...given },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = once(child, "exit");
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  const port = await until(() => /listening at .*port: (\d+)/.exec(text)?.[1], {
    timeoutMs: 50_000,
    describe: () => `${file} to listen: ${text}`,
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  let ending: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      ending ??= (async () => {
        child.kill("SIGTERM");
        const [code] = await exit;
        expect(code, text).toBe(0);
      })();
      return ending;
    },
  };
}
