import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { messageOf, StartError } from "../../kernel/errors.ts";

/** Where requests may go. */
export interface Target {
  readonly name: string;
  readonly port: number;
  /** Takes newcomers. */
  readonly open: boolean;
}

export interface Balancer {
  readonly port: number;
  close(): Promise<void>;
}

interface Options {
  host: string;
  port: number;
  targets: () => readonly Target[];
  /** Whether `/metrics` may be read through it, by whom the instances let. */
  metrics: boolean;
}

const cookieName = "sluice_instance";
const loopback = "127.0.0.1";

function cookieOf(req: IncomingMessage): string | undefined {
  const pairs = (req.headers.cookie ?? "").split(";").map((pair) => pair.trim().split("="));
  return pairs.find(([name]) => name === cookieName)?.[1];
}

function forwarded(req: IncomingMessage): string[] {
  const former = req.headers["x-forwarded-for"];
  const chain = [former, req.socket.remoteAddress].filter(Boolean).join(", ");
  const headers: string[] = [];
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    const [name = "", value = ""] = req.rawHeaders.slice(i, i + 2);
    if (name.toLowerCase() !== "x-forwarded-for") headers.push(name, value);
  }
  return [...headers, "X-Forwarded-For", chain];
}

/** However it is spelled: an instance must not understand what was not understood here. */
function isMetrics({ url = "/" }: IncomingMessage): boolean {
  const path = url.replace(/^[a-z]+:\/\/[^/]*/i, "").split("?")[0] ?? "/";
  try {
    return /^[\\/]+metrics([\\/;#]|$)/i.test(decodeURIComponent(path));
  } catch {
    // The instances take it for no path of theirs.
    return false;
  }
}

function forbid(res: ServerResponse): void {
  const message =
    "The metrics are not public here; read those of an instance at its own port, or set METRICS_TOKEN or METRICS_PUBLIC";
  res.writeHead(403, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
  res.end(JSON.stringify({ error: message, message }));
}

/**
 * A small reverse proxy on one address, sticky by a cookie. Who has none goes where the fewest connections are; requests
 * of one long-polling client without a cookie stay together by its address.
 */
export async function startBalancer({ host, port, targets, metrics }: Options): Promise<Balancer> {
  const load = new Map<string, number>();
  const sockets = new Set<Socket>();

  function choose(req: IncomingMessage, tried: ReadonlySet<string>): Target | undefined {
    const open = targets().filter((target) => target.open && !tried.has(target.name));
    const wanted = cookieOf(req);
    const known = open.find(({ name }) => name === wanted);
    if (known) return known;
    if (/^\/socket\.io\/.*transport=polling/.test(req.url ?? "")) {
      const digest = createHash("sha256")
        .update(req.socket.remoteAddress ?? "")
        .digest();
      return open[digest.readUInt32BE() % open.length];
    }
    return open.sort((a, b) => (load.get(a.name) ?? 0) - (load.get(b.name) ?? 0))[0];
  }

  const sticky = ({ name }: Target) => `${cookieName}=${name}; Path=/; HttpOnly; SameSite=Lax`;

  function pass(req: IncomingMessage, res: ServerResponse): void {
    if (!metrics && isMetrics(req)) return void forbid(res);
    const target = choose(req, new Set());
    if (!target) return void res.writeHead(503, { "Retry-After": "1" }).end("No instance is ready.\n");
    const { method, url: path } = req;
    const onward = request({ host: loopback, port: target.port, method, path, headers: forwarded(req), agent: false });
    onward.on("response", (answer) => {
      const headers = [...answer.rawHeaders];
      if (cookieOf(req) !== target.name) headers.push("Set-Cookie", sticky(target));
      res.writeHead(answer.statusCode ?? 502, headers);
      // Ends what it has begun to answer, too, when the instance is gone in the middle.
      pipeline(answer, res, () => undefined);
    });
    onward.on("error", () => {
      if (!res.headersSent) res.writeHead(502).end("The instance did not answer.\n");
      else res.destroy();
    });
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  }

  /** A WebSocket: tried elsewhere when the instance is gone. */
  function upgrade(req: IncomingMessage, client: Socket, head: Buffer, tried = new Set<string>()): void {
    // Node has taken its own listener away.
    if (tried.size === 0) client.on("error", () => client.destroy());
    if (client.destroyed) return;
    const target = choose(req, tried);
    if (!target) return void client.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
    tried.add(target.name);
    const server = connect({ host: loopback, port: target.port, noDelay: true });
    let connected = false;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    server.once("connect", () => {
      connected = true;
      load.set(target.name, (load.get(target.name) ?? 0) + 1);
      const raw = forwarded(req);
      const lines = raw.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${raw[i + 1]}`] : []));
      server.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      server.write(head);
      server.pipe(client).pipe(server);
      if (client.destroyed) end();
      else client.on("close", end);
    });
    server.on("error", () => (connected ? end() : upgrade(req, client, head, tried)));
    server.on("close", () => {
      if (!connected) return;
      load.set(target.name, (load.get(target.name) ?? 1) - 1);
      end();
    });
  }

  const listener = createServer(pass);
  listener.on("connection", (socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  listener.on("upgrade", (req, socket, head) => upgrade(req, socket as Socket, head));
  await new Promise<void>((done, fail) => {
    listener.once("error", (error) =>
      fail(new StartError(`Cannot listen on ${host}:${port} (${messageOf(error)}). Set PORT to another.`)),
    );
    listener.listen(port, host, done);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((done) => listener.close(done));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
