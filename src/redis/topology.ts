import { readFileSync } from "node:fs";
import type { HostPort } from "../config/kinds.ts";
import type { Config } from "../config/load.ts";
import { ConfigError, messageOf } from "../kernel/errors.ts";

/** The part of the configuration that says where Redis is and how long to wait for it. */
export type RedisConfig = Pick<
  Config,
  | "REDIS_URL"
  | "REDIS_HOST"
  | "REDIS_PORT"
  | "REDIS_DB"
  | "REDIS_USERNAME"
  | "REDIS_PASSWORD"
  | "REDIS_SENTINEL"
  | "REDIS_SENTINEL_USERNAME"
  | "REDIS_SENTINEL_PASSWORD"
  | "REDIS_CLUSTER"
  | "REDIS_TLS"
  | "REDIS_CA_FILE"
  | "DISABLE_REDIS"
  | "REDIS_DEADLINE"
  | "REDIS_REQUEST_BUDGET"
  | "REDIS_WATCHDOG"
  | "REDIS_CONNECT_TIMEOUT"
  | "REDIS_BACKOFF_MAX"
  | "REDIS_POOL"
>;

/** How to get in, the same for every server of a kind. */
export interface Access {
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly tls: false | { readonly ca?: string };
}

export type Topology =
  | { readonly kind: "none" }
  | { readonly kind: "single"; readonly address: HostPort; readonly access: Access }
  | {
      readonly kind: "sentinel";
      readonly master: string;
      readonly sentinels: HostPort[];
      readonly access: Access;
      readonly sentinelAccess: Access;
    }
  | { readonly kind: "cluster"; readonly seeds: HostPort[]; readonly access: Access };

function authority(config: RedisConfig): string | undefined {
  if (!config.REDIS_CA_FILE) return undefined;
  try {
    return readFileSync(config.REDIS_CA_FILE, "utf8");
  } catch (error) {
    throw new ConfigError(
      `REDIS_CA_FILE: cannot read "${config.REDIS_CA_FILE}" (${messageOf(error)}); it takes a readable PEM file.`,
    );
  }
}

function access(database: number, secure: boolean, ca: string | undefined, username: string, password: string): Access {
  return {
    database,
    tls: secure && (ca === undefined ? {} : { ca }),
    ...(username && { username }),
    ...(password && { password }),
  };
}

/** What the URL leaves out is taken from the variables beside it: a password is often kept apart, in a file. */
function fromUrl(text: string, config: RedisConfig, ca: string | undefined): Topology {
  const wrong = () =>
    new ConfigError("REDIS_URL: got a value it cannot use; it takes redis://user:password@host:6379/0.");
  let url: URL;
  let username: string;
  let password: string;
  try {
    url = new URL(text);
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw wrong();
  }
  const database = Number(url.pathname.slice(1) || config.REDIS_DB);
  if (!url.hostname || !Number.isInteger(database)) throw wrong();
  return {
    kind: "single",
    address: { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(url.port || "6379") },
    access: access(
      database,
      url.protocol === "rediss:" || config.REDIS_TLS,
      ca,
      username || config.REDIS_USERNAME,
      password || config.REDIS_PASSWORD,
    ),
  };
}

/** Where Redis is, from configuration alone. When several are set: cluster, sentinel, URL, host. */
export function topologyOf(config: RedisConfig): Topology {
  const ca = authority(config);
  const { REDIS_DB: db, REDIS_TLS: tls, REDIS_USERNAME: user, REDIS_PASSWORD: password } = config;
  if (config.REDIS_CLUSTER.length > 0)
    return { kind: "cluster", seeds: config.REDIS_CLUSTER, access: access(0, tls, ca, user, password) };
  if (config.REDIS_SENTINEL)
    return {
      kind: "sentinel",
      master: config.REDIS_SENTINEL.name,
      sentinels: config.REDIS_SENTINEL.hosts,
      access: access(db, tls, ca, user, password),
      sentinelAccess: access(0, tls, ca, config.REDIS_SENTINEL_USERNAME, config.REDIS_SENTINEL_PASSWORD),
    };
  if (config.REDIS_URL) return fromUrl(config.REDIS_URL, config, ca);
  if (config.REDIS_HOST)
    return {
      kind: "single",
      address: { host: config.REDIS_HOST, port: config.REDIS_PORT },
      access: access(db, tls, ca, user, password),
    };
  return { kind: "none" };
}

/** As Redis itself writes it in a redirection. */
export const addressOf = ({ host, port }: HostPort): string => `${host}:${port}`;

/** Every address that the configuration names, for an operator: without a user or a password. */
export function whereIs(topology: Topology): string {
  const list = (hosts: readonly HostPort[]) => hosts.map(addressOf).join(", ");
  if (topology.kind === "none") return "no address";
  if (topology.kind === "single") return addressOf(topology.address);
  if (topology.kind === "cluster") return list(topology.seeds);
  return `${topology.master} of the sentinels ${list(topology.sentinels)}`;
}
