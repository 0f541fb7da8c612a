import { Agent, request } from "node:http";

export interface Reply {
  /** 0: no answer. */
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what the server says is what the drill is there to find out
  readonly body: any;
  readonly cookies: readonly string[];
  /** `X-Cache`: where it came from. */
  readonly source?: string;
}

export interface Ask {
  method?: "GET" | "POST";
  cookie?: string;
  token?: string;
  body?: object;
}

const patienceMs = 30_000;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Speaks HTTP as browsers do, over connections that stay open. */
export function createClient() {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  function ask(url: string, what: Ask = {}): Promise<Reply> {
    const { method = "GET", cookie, token, body } = what;
    return new Promise((resolve) => {
      const text = body ? JSON.stringify(body) : "";
      const headers = {
        ...(cookie && { Cookie: cookie }),
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }),
      };
      const nothing = (why: unknown) => resolve({ status: 0, body: String(why), cookies: [] });
      const sent = request(url, { method, headers, agent, timeout: patienceMs }, (answer) => {
        let received = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          received += chunk;
        });
        answer.on("error", nothing);
        answer.on("end", () =>
          resolve({
            status: answer.statusCode ?? 0,
            body: parsed(received),
            cookies: answer.headers["set-cookie"] ?? [],
            source: String(answer.headers["x-cache"] ?? ""),
          }),
        );
      });
      // The server had closed the connection, being idle, when the request was on its way: a browser asks again, too.
      const closed = (error: NodeJS.ErrnoException) => sent.reusedSocket && error.code === "ECONNRESET";
      sent.on("error", (error) => (closed(error) ? resolve(ask(url, what)) : nothing(error)));
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)));
      sent.end(text);
    });
  }

  return { ask, close: () => agent.destroy() };
}

export type Client = ReturnType<typeof createClient>;
