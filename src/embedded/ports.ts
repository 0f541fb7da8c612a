import { readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** The port, when it can be listened on; 0 takes any. */
function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, LOOPBACK, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : undefined));
    });
  });
}

/** The port of the last start when it is still free, so that addresses written down stay right; else any free one. */
export async function choosePort(file: string): Promise<number> {
  const last = Number(await readFile(file, "utf8").catch(() => ""));
  const kept = last > 0 && last < 65_536 ? await tryListen(last) : undefined;
  const port = kept ?? (await tryListen(0));
  if (!port) throw new Error(`no free port on ${LOOPBACK}`);
  return port;
}

export async function rememberPort(file: string, port: number): Promise<void> {
  await writeFile(file, `${port}\n`);
}

/** Sends `question` (or nothing) and answers the first bytes, or "" once connected; undefined when nobody listens. */
export function ask(port: number, question?: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    const done = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => done(undefined));
    socket.once("error", () => done(undefined));
    socket.once("close", () => done(undefined));
    socket.once("connect", () => (question === undefined ? done("") : socket.write(question)));
    socket.once("data", (bytes) => done(bytes.toString("latin1")));
  });
}
