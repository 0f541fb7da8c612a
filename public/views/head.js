import { fill, h, icon } from "../dom.js";

const LINK = {
  connecting: "Connecting…",
  online: "Connected",
  retrying: "Reconnecting…",
};

/** Which channel this is, whether the page is connected, and on a narrow screen the ways to the sides. */
export function headView({ watch, drawers }) {
  const title = h("h1", {});
  const about = h("p", { class: "about" });
  const link = h("p", { class: "link-state", role: "status" });
  const present = h("span", { class: "count" });
  const drawerButton = (name, label, symbol, ...more) => {
    const button = h(
      "button",
      {
        class: `icon-button to-${name}`,
        "aria-label": label,
        "aria-expanded": "false",
        onclick: () => drawers.open(name, button),
      },
      icon(symbol),
      ...more,
    );
    return button;
  };
  const toPeople = drawerButton("people", "People here", "people", present);

  watch(["channels", "room"], ({ channels, room }) => {
    const channel = channels?.find(({ id }) => id === room);
    fill(title, room && icon("hash"), channel?.name ?? room ?? "sluice");
    fill(about, channel?.description);
    about.title = channel?.description ?? "";
    document.title = channel ? `${channel.name} · sluice` : "sluice";
  });
  watch(["link"], (now) => {
    link.dataset.state = now.link;
    fill(link, h("span", {}, LINK[now.link]));
  });
  watch(["people"], ({ people }) => {
    fill(present, String(people.length));
    toPeople.setAttribute("aria-label", `People here: ${people.length}`);
  });

  return h(
    "header",
    { class: "head" },
    drawerButton("channels", "Channels", "menu"),
    h("div", { class: "head-text" }, title, about),
    link,
    toPeople,
  );
}
