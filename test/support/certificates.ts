import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runGuarded } from "../../src/embedded/run.ts";
import { redisBinary } from "./redis-binary.ts";

const file = (name: string) => join(import.meta.dirname, "tls", name);

/** The server's is for localhost and 127.0.0.1, and of the authority; the stranger has signed nothing. */
export const certificates = {
  authority: file("ca.pem"),
  stranger: file("stranger.pem"),
  server: file("server.pem"),
  key: file("server.key"),
};

/** For a connection that a server takes for one of its own kind. */
export const passport = () => ({
  ca: readFileSync(certificates.authority),
  cert: readFileSync(certificates.server),
  key: readFileSync(certificates.key),
});

/** For a redis-server that speaks nothing but TLS, with other servers, too. */
export const tlsArgs = (port: number): string[] => [
  ...["--port", "0", "--tls-port", String(port)],
  ...["--tls-cert-file", certificates.server, "--tls-key-file", certificates.key],
  ...["--tls-ca-cert-file", certificates.authority, "--tls-auth-clients", "no"],
  ...["--tls-cluster", "yes", "--tls-replication", "yes"],
];

/** Whether the redis-server of the tests was built with it; one that was and may listen nowhere says only that. */
export async function speaksTls(): Promise<boolean> {
  const { output } = await runGuarded(await redisBinary(), ["--port", "0", "--tls-port", "0"], { timeoutMs: 10_000 });
  return /not listen anywhere/.test(output);
}
