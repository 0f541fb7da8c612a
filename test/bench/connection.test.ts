import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, it } from "vitest";
import { createConnection } from "../../bench/stage/connection.ts";

const request = Buffer.from("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");

it("is opened anew when the server has closed it meanwhile", async () => {
  const server = createServer((_, res) => res.end("here")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const opened: Socket[] = [];
  server.on("connection", (socket) => opened.push(socket));
  const connection = createConnection((server.address() as AddressInfo).port);
  try {
    const answered = async () => String((await connection.ask(request, true)).body);
    expect(await answered()).toBe("here");
    const [first] = opened as [Socket];
    const closed = once(first, "close");
    first.end();
    await closed;
    expect(await answered()).toBe("here");
    expect(opened.length).toBe(2);
  } finally {
    connection.close();
    server.close();
  }
});
