import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { topologyOf } from "../../src/redis/topology.ts";

const of = (env: Record<string, string>) => topologyOf(loadConfig(env));

describe("where Redis is, from configuration alone", () => {
  it("nowhere, when nothing says so", () => {
    expect(of({})).toEqual({ kind: "none" });
  });

  it("a URL with user, password, host, port and database, escapes resolved", () => {
    expect(of({ REDIS_URL: "redis://al%40ice:p%2Fw@example.test:7000/3" })).toEqual({
      kind: "single",
      address: { host: "example.test", port: 7000 },
      access: { username: "al@ice", password: "p/w", database: 3, tls: false },
    });
  });

  it("a URL for TLS, or with an IPv6 address", () => {
    expect(of({ REDIS_URL: "rediss://example.test" })).toMatchObject({ address: { port: 6379 }, access: { tls: {} } });
    expect(of({ REDIS_URL: "redis://[::1]:6380" })).toMatchObject({ address: { host: "::1", port: 6380 } });
  });

  it("a URL, and beside it what the URL leaves out", () => {
    const beside = { REDIS_USERNAME: "u", REDIS_PASSWORD: "p", REDIS_DB: "2", REDIS_TLS: "true" };
    expect(of({ REDIS_URL: "redis://h", ...beside })).toMatchObject({
      access: { username: "u", password: "p", database: 2, tls: {} },
    });
    expect(of({ REDIS_URL: "redis://own:secret@h/0", ...beside })).toMatchObject({
      access: { username: "own", password: "secret", database: 0 },
    });
  });

  it("host, port, user, password, database, TLS", () => {
    const env = { REDIS_HOST: "h", REDIS_PORT: "7", REDIS_USERNAME: "u", REDIS_PASSWORD: "p", REDIS_DB: "2" };
    expect(of({ ...env, REDIS_TLS: "true" })).toEqual({
      kind: "single",
      address: { host: "h", port: 7 },
      access: { username: "u", password: "p", database: 2, tls: {} },
    });
  });

  it.each(["mymaster@a:1,b:2", "mymaster,a:1,b:2"])("sentinels: %s", (text) => {
    const sentinels = { REDIS_SENTINEL_USERNAME: "w", REDIS_SENTINEL_PASSWORD: "s" };
    expect(of({ REDIS_SENTINEL: text, REDIS_PASSWORD: "p", ...sentinels })).toEqual({
      kind: "sentinel",
      master: "mymaster",
      sentinels: [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
      access: { password: "p", database: 0, tls: false },
      sentinelAccess: { username: "w", password: "s", database: 0, tls: false },
    });
  });

  it("a cluster before everything else", () => {
    expect(of({ REDIS_CLUSTER: "a:1,b:2", REDIS_URL: "redis://x", REDIS_SENTINEL: "m@c:3" })).toMatchObject({
      kind: "cluster",
      seeds: [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
    });
  });

  it("says which variable is wrong without showing its value", () => {
    const wrong = () => of({ REDIS_URL: "redis://u:geheim@host/notanumber" });
    expect(wrong).toThrow(/^REDIS_URL: /);
    expect(wrong).not.toThrow(/geheim/);
    expect(() => of({ REDIS_URL: "redis://:100%@host" })).toThrow(/^REDIS_URL: got a value it cannot use/);
    expect(() => of({ REDIS_URL: "rediss://h", REDIS_CA_FILE: "/nowhere.pem" })).toThrow(/^REDIS_CA_FILE: .*PEM/);
  });
});
