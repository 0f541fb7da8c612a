const KEY = "sluice.token";

/** The token lives as long as this tab: sessionStorage, or memory where the browser forbids storage. */
let inMemory = null;

export function keepToken(token) {
  inMemory = token;
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage is forbidden here; the token is lost with the page.
  }
}

export function keptToken() {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Who a token speaks for: {userId, nickname, role, csrfToken, sessionId}, or null when it cannot open a socket. */
export function readToken(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const identity = JSON.parse(new TextDecoder().decode(bytes));
    return typeof identity.csrfToken === "string" && identity.csrfToken ? identity : null;
  } catch {
    return null;
  }
}
