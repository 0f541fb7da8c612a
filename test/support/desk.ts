import { plainLog } from "../../src/cli/desk.ts";
import { runProgram } from "../../src/cli/program.ts";

export interface DeskAnswer {
  code: number;
  /** The answer itself. */
  text: string;
  /** What was said beside it. */
  aside: string;
  /** The answer as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is what a test is there to find out
  json: any;
}

/** The operator's door without a process of its own. */
export async function atDesk(
  args: string[],
  env: Record<string, string>,
  { terminal = false, signal = new AbortController().signal } = {},
): Promise<DeskAnswer> {
  let [text, aside] = ["", ""];
  const say = (more: string) => {
    aside += more;
  };
  const code = await runProgram(args, {
    environment: () => ({ NODE_ENV: "test", ...env }),
    print(line) {
      text += `${line}\n`;
    },
    aside: say,
    terminal,
    log: plainLog((line) => say(`${line}\n`)),
    signal,
  });
  return {
    code,
    text: text.trimEnd(),
    aside,
    get json() {
      return JSON.parse(text);
    },
  };
}
