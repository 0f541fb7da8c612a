/** The server did not do it; `message` is ready to be shown. */
class Refusal extends Error {
  constructor(status, { message, code, checks, changes }) {
    super(message);
    Object.assign(this, { status, code, checks, changes });
  }
}

const deadline = 30_000;

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/ops/api/${path}`, {
      method,
      headers: { "X-Sluice-Console": "1", ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(deadline),
    });
  } catch {
    const unknown = method === "GET" ? "" : " It may have been done all the same: look at the history.";
    throw new Refusal(0, { message: `The server gives no answer.${unknown}`, code: "NO_ANSWER" });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok)
    throw new Refusal(response.status, { message: `The server answered ${response.status}.`, ...answer });
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);
