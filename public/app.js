import { createApi } from "./api.js";
import { fresh, openChat } from "./chat.js";
import { createState } from "./state.js";
import { keepToken, keptToken, readToken } from "./token.js";
import { entryView } from "./views/entry.js";
import { pageView } from "./views/page.js";

const root = document.getElementById("root");
let token = null;
let close = () => {};

const api = createApi({
  token: () => token,
  onExpired: () => showEntry("Your session has ended. Please log in again."),
});

function showEntry(words) {
  close();
  close = () => {};
  token = null;
  keepToken(null);
  root.replaceChildren(entryView({ api, words, entered: (answer) => showChat(answer.token) }));
  root.querySelector("input")?.focus();
}

function showChat(newToken) {
  const me = readToken(newToken);
  if (!me) return showEntry("The server's answer could not be understood. Please log in again.");
  token = newToken;
  keepToken(token);
  const state = createState({ ...fresh, me });
  const chat = openChat({ state, api, end: showEntry });
  const page = pageView({ state, chat, logOut });
  close = () => {
    chat.close();
    page.dispose();
    document.getElementById("announcer").textContent = "";
  };
  root.replaceChildren(page.element);
  page.focus();
}

async function logOut() {
  close();
  try {
    await api.logOut();
    showEntry("You are logged out.");
  } catch ({ status }) {
    if (status !== 401) showEntry("You are logged out here, but the server could not be told.");
  }
}

const kept = keptToken();
if (kept) showChat(kept);
else showEntry();
