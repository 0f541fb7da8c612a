import { isIP } from "node:net";
import { RedisClient, type RedisClientOptions, type RedisClientType } from "redis";
import type { HostPort } from "../config/kinds.ts";
import { late } from "../kernel/limit.ts";
import { LinkError } from "./failure.ts";
import type { Access } from "./topology.ts";

export type Client = RedisClientType;

/** One TCP connection, used once: when it is lost, another one is opened, so that no state of the old one lingers. */
export interface Connection {
  readonly client: Client;
  readonly address: HostPort;
  /** The listener is called once, when the connection ends without our doing. */
  onLost(listener: (error: unknown) => void): void;
  destroy(): void;
}

export interface OpenOptions {
  /** Both for the TCP connection and for the greeting after it; a frozen server accepts but does not greet. */
  timeoutMs: number;
  signal: AbortSignal;
  name?: string;
}

const QUEUE = 5_000;
const silent = "the server does not answer";
const silentToTls = `${silent} to our TLS: if it speaks none, use redis:// and no REDIS_TLS`;

/** `createClient` builds the class of all commands anew for each address, which holds up the event loop for some 20 ms. */
// Of its type only the modules are missing, which nobody here uses and the package has no name for.
const createClient = RedisClient.factory() as unknown as (options: RedisClientOptions) => Client;

function clientFor(address: HostPort, access: Access, { timeoutMs, name = "sluice" }: OpenOptions): Client {
  const tls = access.tls && {
    tls: true as const,
    ...(isIP(address.host) ? {} : { servername: address.host }),
    ...access.tls,
  };
  return createClient({
    ...(access.username !== undefined && { username: access.username }),
    ...(access.password !== undefined && { password: access.password }),
    database: access.database,
    name,
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE,
    // Its own timeout makes a timer per command and yet ends no command that was written.
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
    // Reconnecting is ours: only then is the next attempt free to go to another master, and is what was signed known.
    socket: { ...tls, host: address.host, port: address.port, connectTimeout: timeoutMs, reconnectStrategy: false },
  });
}

/** Opens a connection, reached and authenticated, or rejects within `timeoutMs`. */
export function openConnection(address: HostPort, access: Access, options: OpenOptions): Promise<Connection> {
  const { timeoutMs, signal } = options;
  if (signal.aborted) return Promise.reject(new LinkError("the attempt was given up"));
  const client = clientFor(address, access, options);
  const listeners: ((error: unknown) => void)[] = [];
  let ended = false;
  let reached = false;
  let lost: { error: unknown } | undefined;

  function destroy(): void {
    ended = true;
    client.destroy();
  }
  client.on("error", (error: unknown) => {
    if (ended) return;
    destroy();
    lost = { error };
    for (const listener of listeners.splice(0)) listener(error);
  });
  client.on("connect", () => {
    reached = true;
    // A client that is destroyed while TCP still connects would otherwise come to life afterwards.
    if (ended) client.destroy();
  });

  return new Promise((resolve, reject) => {
    const giveUp = (message: string) => {
      settle();
      destroy();
      reject(new LinkError(message));
    };
    const silence = () => (access.tls && !reached ? silentToTls : silent);
    const onAbort = () => giveUp(signal.reason === late ? silence() : "the attempt was given up");
    const timer = setTimeout(() => giveUp(silence()), timeoutMs);
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    client.connect().then(
      () => {
        settle();
        if (ended) {
          client.destroy();
          return reject(lost ? lost.error : new LinkError("the connection was lost at once"));
        }
        resolve({
          client,
          address,
          onLost(listener) {
            if (lost) listener(lost.error);
            else listeners.push(listener);
          },
          destroy,
        });
      },
      (error: unknown) => {
        settle();
        destroy();
        reject(lost ? lost.error : error);
      },
    );
  });
}
