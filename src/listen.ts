import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Config } from "./config/load.ts";
import { messageOf, StartError } from "./kernel/errors.ts";

/** Answers the port. */
export function listen(server: Server, { HOST, PORT }: Config): Promise<number> {
  return new Promise((done, fail) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "something else listens there" : messageOf(error);
      fail(new StartError(`Cannot listen on ${HOST}:${PORT} (${why}). Set PORT or HOST to another.`, { cause: error }));
    });
    server.listen(PORT, HOST, () => done((server.address() as AddressInfo).port));
  });
}

/** Nothing is kept of the connections that are still open: whoever is served has been given the time of the drain. */
export function closeHttp(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
