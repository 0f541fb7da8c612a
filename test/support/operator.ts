import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./files.ts";

export interface Answer {
  code: number | null;
  /** Lines of the answer itself. */
  lines: string[];
  /** What was said beside it. */
  aside: string;
}

/** Runs the operator's door as a process: from its source, or as the last `npm run build` left it. */
export function operator(args: string[], env: Record<string, string> = {}, { built = false } = {}): Promise<Answer> {
  const program = built ? [join(root, "dist/src/cli.js")] : ["--import", "tsx", join(root, "src/cli.ts")];
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: root,
    env: { PATH, HOME, NODE_ENV: "test", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    text.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    text.err += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, lines: text.out.trimEnd().split("\n"), aside: text.err.trim() }));
  });
}
