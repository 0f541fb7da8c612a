import { parsedOnce } from "../../src/cache/parsed.ts";
import { type ListedUser, listedUser, userElement } from "../../src/chat/caches/users.ts";
import { shownUser, userLists } from "../../src/chat/hot/answers.ts";
import type { Figure } from "../support/report.ts";
import { costBeside, microseconds } from "./beside.ts";

const people = 1_000;
const changed = 10;
const times = 50;
const at = 1_700_000_000_000;

/** Ten of a thousand have been seen since the list before; as text that comes from Redis. */
function listOf(serial: number) {
  return Array.from({ length: people }, (_, n) => {
    const active = at + (n % (people / changed) === serial % (people / changed) ? serial : 0);
    const id = n.toString(16).padStart(24, "0");
    const dates = { createdAt: new Date(at), lastActive: new Date(active) };
    const card = { id, nickname: `person ${n}`, role: "member", status: "online", ...dates } as ListedUser["card"];
    const { text, ...rest } = userElement({ card, active, rev: serial });
    return { ...rest, text: Buffer.from(text.replace(/"rev":\d+/, `"rev":${active - at}`)).toString() };
  });
}

/** A list of users as the chat makes it anew while people come and go, beside all of it parsed and written each time. */
export function listingCost(rounds: number): Promise<Figure> {
  const parse = parsedOnce(listedUser, 5 * people);
  const write = userLists();
  let serial = 1;
  async function each(make: (elements: ReturnType<typeof listOf>) => string): Promise<number> {
    const lists = Array.from({ length: times }, (_, n) => listOf(serial + n));
    serial += times;
    const all = await microseconds(() => {
      for (const list of lists) make(list);
    });
    return all / times;
  }
  const name = "µs of CPU to make a list of 1,000 users anew, ten of them changed: only these / all parsed and written";
  return costBeside(name, rounds, [
    () => each((elements) => write(elements.map(parse))),
    () => each((elements) => JSON.stringify(elements.map(listedUser).map(({ card }) => shownUser(card)))),
  ]);
}
