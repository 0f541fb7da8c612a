import { get } from "./api.js";

const silence = 4_000;
const longest = 3_000;
const renewal = 600_000;

/**
 * Follows the state of the server. `onStale` hears since when nothing was heard, `onLive` that it is heard again, and
 * `onOut` that the token must be shown again.
 */
export function follow({ onState, onLive, onStale, onOut }) {
  let source;
  let heard = Date.now();
  let live = false;
  let closed = false;
  let pause = 250;
  let timer;

  function lose() {
    source?.close();
    source = undefined;
    if (live) onStale(heard);
    live = false;
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(again, pause);
    pause = Math.min(pause * 2, longest);
  }

  async function again() {
    const answer = await get("session").catch(() => undefined);
    if (closed) return;
    if (!answer) lose();
    else if (answer.role) open();
    else onOut();
  }

  function open() {
    heard = live ? heard : Math.max(heard, Date.now() - silence / 2);
    source = new EventSource("/ops/api/events");
    source.onerror = lose;
    source.onmessage = ({ data }) => {
      heard = Date.now();
      pause = 250;
      if (!live) onLive();
      live = true;
      onState(JSON.parse(data));
    };
  }

  const watchdog = setInterval(() => {
    if (source && Date.now() - heard > silence) lose();
  }, 1_000);
  const renewing = setInterval(() => get("session").catch(() => undefined), renewal);
  open();
  return {
    close() {
      closed = true;
      clearInterval(watchdog);
      clearInterval(renewing);
      clearTimeout(timer);
      source?.close();
    },
  };
}
