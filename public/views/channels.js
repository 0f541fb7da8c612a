import { fill, h, icon, unseen } from "../dom.js";
import { avatar } from "./avatar.js";
import { awayButton } from "./drawers.js";

/** The left side: text channels, voice channels with who is in them, and oneself. */
export function channelsView({ watch, chat, logOut, close, newChannel }) {
  const text = h("ul", { class: "channels", "aria-labelledby": "text-channels" });
  const voice = h("ul", { class: "channels", "aria-labelledby": "voice-channels" });
  const self = h("div", { class: "self" });

  const textChannel = (channel, room) =>
    h(
      "li",
      {},
      h(
        "a",
        {
          href: `#${encodeURIComponent(channel.id)}`,
          class: "channel",
          "aria-current": channel.id === room && "page",
          onclick: (event) => {
            event.preventDefault();
            chat.open(channel.id);
            close();
          },
        },
        icon("hash"),
        h("span", { class: "name" }, channel.name),
      ),
    );

  const voiceChannel = (channel, joined, me) => {
    const inside = joined?.channelId === channel.id;
    return h(
      "li",
      {},
      h(
        "div",
        { class: "channel" },
        icon("voice"),
        h("span", { class: "name" }, channel.name),
        h(
          "button",
          {
            class: "small",
            "data-channel": channel.id,
            onclick: () => (inside ? chat.leaveVoice() : chat.joinVoice(channel.id)),
          },
          inside ? "Leave" : "Join",
          unseen(` ${channel.name}`),
        ),
      ),
      inside && voiceMembers(channel, joined, me),
    );
  };

  watch(["channels", "room"], ({ channels, room }) => {
    if (channels)
      keepFocus(text, () =>
        fill(
          text,
          ofType(channels, "text").map((channel) => textChannel(channel, room)),
        ),
      );
    else fill(text, h("li", { class: "hint" }, "Loading channels…"));
  });
  watch(["channels", "voice"], ({ channels, voice: joined, me }) => {
    const rows = ofType(channels ?? [], "voice").map((channel) => voiceChannel(channel, joined, me));
    keepFocus(voice, () => fill(voice, rows.length > 0 ? rows : h("li", { class: "hint" }, "None yet.")));
  });
  watch(["me"], ({ me }) =>
    fill(
      self,
      avatar(me.nickname),
      h(
        "p",
        { class: "name" },
        unseen("Logged in as "),
        me.nickname,
        me.role !== "member" && h("span", { class: "role" }, me.role),
      ),
      h("button", { class: "icon-button", onclick: logOut, title: "Log out" }, icon("leave"), unseen("Log out")),
    ),
  );

  return h(
    "nav",
    { class: "side channels-side", "aria-label": "Channels" },
    h("div", { class: "side-head" }, h("p", { class: "brand" }, icon("mark", "mark"), "sluice"), awayButton(close)),
    h(
      "div",
      { class: "lists" },
      h(
        "div",
        { class: "list-head" },
        h("h2", { id: "text-channels" }, "Text channels"),
        h(
          "button",
          { class: "icon-button", title: "New channel", onclick: newChannel },
          icon("plus"),
          unseen("New channel"),
        ),
      ),
      text,
      h("div", { class: "list-head" }, h("h2", { id: "voice-channels" }, "Voice channels")),
      voice,
    ),
    self,
  );
}

const ofType = (channels, wanted) => channels.filter(({ type }) => type === wanted);

function voiceMembers(channel, { members }, me) {
  const others = [...members.values()];
  return h(
    "div",
    { class: "voice-members" },
    h(
      "ul",
      { "aria-label": `In ${channel.name}` },
      [`${me.nickname} (you)`, ...others].map((name) => h("li", {}, name)),
    ),
    h("p", { class: "hint" }, "This page shows who is in the channel. It carries no sound."),
  );
}

/** A list drawn anew must not throw away where the keyboard is. */
function keepFocus(list, draw) {
  const controls = () => [...list.querySelectorAll("a, button")];
  const same = (control) => control.getAttribute("href") ?? control.dataset.channel;
  const focused = controls().find((control) => control === document.activeElement);
  draw();
  if (focused)
    controls()
      .find((control) => same(control) === same(focused))
      ?.focus();
}
