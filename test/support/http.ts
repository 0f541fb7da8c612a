/** A browser's worth of HTTP: keeps cookies, sends the token, reads JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's body is what a test is there to find out
  body: any;
}

export interface Browser {
  token: string;
  cookie: string;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  send(
    method: string,
    path: string,
    init?: { body?: string | Buffer; headers?: Record<string, string> },
  ): Promise<Answer>;
  /** Registers, and keeps the credentials. */
  register(nickname: string, password?: string): Promise<Answer>;
  login(identifier: string, password?: string): Promise<Answer>;
}

export const password = "correct horse";

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function createBrowser(url: string): Browser {
  const jar = new Map<string, string>();

  async function send(
    method: string,
    path: string,
    { body, headers = {} }: { body?: string | Buffer; headers?: Record<string, string> } = {},
  ) {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(browser.token ? { Authorization: `Bearer ${browser.token}` } : {}),
        ...(jar.size > 0 ? { Cookie: browser.cookie } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";");
      const [name = "", value = ""] = pair.split("=");
      const gone = value === "" || attributes.some((a) => /expires=thu, 01 jan 1970/i.test(a));
      if (gone) jar.delete(name);
      else jar.set(name, value);
    }
    return { status: response.status, headers: response.headers, body: parsed(await response.text()) };
  }

  async function enter(path: string, body: object): Promise<Answer> {
    browser.token = "";
    const answer = await browser.post(path, body);
    if (answer.status < 300) browser.token = answer.body.token;
    return answer;
  }

  const browser: Browser = {
    token: "",
    get cookie() {
      return [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    },
    set cookie(text: string) {
      jar.clear();
      for (const pair of text.split("; ").filter(Boolean))
        jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    },
    send,
    get: (path, headers) => send("GET", path, headers ? { headers } : {}),
    post: (path, body, headers = {}) =>
      send("POST", path, {
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { "Content-Type": "application/json", ...headers },
      }),
    register: (nickname, pw = password) =>
      enter("/api/register", {
        nickname,
        email: `${encodeURIComponent(nickname).replaceAll("%", "")}@example.com`,
        password: pw,
      }),
    login: (identifier, pw = password) => enter("/api/login", { identifier, password: pw }),
  };
  return browser;
}
