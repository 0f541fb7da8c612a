import { h } from "../dom.js";
import { channelsView } from "./channels.js";
import { composerView } from "./composer.js";
import { createDrawers } from "./drawers.js";
import { headView } from "./head.js";
import { messagesView } from "./messages.js";
import { newChannelDialog } from "./new-channel.js";
import { peopleView } from "./people.js";

/** The chat as a whole: channels, the conversation, people. */
export function pageView({ state, chat, logOut }) {
  const undo = [];
  const watch = (keys, see) => undo.push(state.watch(keys, see));
  const composer = composerView({ state, watch, chat });
  const close = () => drawers.close();
  const dialog = newChannelDialog({ create: (channel) => chat.createChannel(channel), done: close });
  const channels = channelsView({ watch, chat, logOut, close, newChannel: dialog.open });
  const people = peopleView({
    watch,
    close,
    writeTo(nickname) {
      close();
      composer.writeTo(nickname);
    },
  });
  const main = h("main", { class: "main" });
  const element = h("div", { class: "page" }, skipLink(composer), channels, main, people, dialog.element);
  const drawers = createDrawers({ page: element, main, sides: { channels, people } });
  main.append(headView({ watch, drawers }), messagesView({ watch, chat }), composer.element);

  return {
    element,
    focus: () => matchMedia("(pointer: fine)").matches && composer.focus(),
    dispose() {
      drawers.dispose();
      for (const stop of undo) stop();
    },
  };
}

function skipLink(composer) {
  return h(
    "a",
    {
      class: "skip",
      href: "#write",
      onclick: (event) => {
        event.preventDefault();
        composer.focus();
      },
    },
    "Skip to the message box",
  );
}
