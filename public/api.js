import { dateAndTime, waitInWords } from "./format.js";

const DEADLINE = 15_000;

/** `message` is ready to be shown; `fields` holds what belongs under a single field. */
export class ApiError extends Error {
  constructor(message, status, fields = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** The REST half of the contract. `onExpired` hears when the server no longer takes the token. */
export function createApi({ token, onExpired }) {
  async function call(method, path, body) {
    const bearer = token();
    const response = await reach(path, {
      method,
      headers: {
        ...(body && { "Content-Type": "application/json" }),
        ...(bearer && { Authorization: `Bearer ${bearer}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      credentials: "same-origin",
      signal: AbortSignal.timeout(DEADLINE),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status === 401 && bearer && bearer === token()) onExpired();
    throw new ApiError(inPlainWords(response, answer), response.status, fieldErrors(answer));
  }

  return {
    register: (person) => call("POST", "/api/register", person),
    logIn: (credentials) => call("POST", "/api/login", credentials),
    logOut: () => call("POST", "/api/logout"),
    channels: () => call("GET", "/api/channels"),
    createChannel: (channel) => call("POST", "/api/channels", channel),
    messages: (room, before) => {
      const query = new URLSearchParams({ limit: "50", ...(before && { before }) });
      return call("GET", `/api/channels/${encodeURIComponent(room)}/messages?${query}`);
    },
  };
}

async function reach(path, request) {
  try {
    return await fetch(path, request);
  } catch {
    throw new ApiError("The server cannot be reached. Check your connection and try again.", 0);
  }
}

function inPlainWords(response, answer) {
  const said = answer.message ?? answer.error;
  if (response.status === 429) return `${tooMany(response.url)} ${tryAgain(response.headers)}`;
  if (response.status === 503) return "The server is busy or its database is away. Try again in a moment.";
  if (response.status >= 500) return `Something went wrong on the server.${reference(answer)} Try again in a moment.`;
  if (said === "Account is banned") return `This account is banned. ${banReason(answer)}`;
  if (said === "Invalid credentials") return "Nickname or e-mail and password do not match.";
  return said ?? `The server answered ${response.status}.`;
}

const tooMany = (url) => (/\/api\/(login|register)$/.test(url) ? "Too many attempts." : "Too many requests.");

function tryAgain(headers) {
  const seconds = Number(headers.get("Retry-After") ?? headers.get("RateLimit-Reset"));
  return seconds > 0 ? `Try again in ${waitInWords(Math.ceil(seconds))}.` : "Try again later.";
}

const reference = ({ requestId }) => (requestId ? ` Its log names it ${requestId}.` : "");

export function banReason({ reason, expires }) {
  const why = reason ? `Reason: ${reason}.`.replace("..", ".") : "";
  return [why, expires ? `Until ${dateAndTime(expires)}.` : ""].filter(Boolean).join(" ");
}

function fieldErrors({ errors, message }) {
  if (Array.isArray(errors)) {
    return Object.fromEntries(
      errors
        .filter(({ path }) => path)
        .map(({ path, msg }) => [path, msg])
        .reverse(),
    );
  }
  const taken = /^(nickname|email) already/i.exec(message ?? "");
  return taken ? { [taken[1].toLowerCase()]: `${message}.` } : {};
}
