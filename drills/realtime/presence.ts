import type { Group } from "../../test/support/group.ts";
import { until } from "../../test/support/until.ts";
import type { Scene } from "./plan.ts";
import type { Visitor } from "./visitor.ts";

/** As shipped: instances beat and lists are sent so often, and who is silent for so long is taken for gone. */
export const asShipped = {
  PRESENCE_GRACE: "",
  PRESENCE_LEASE: "",
  PRESENCE_BEAT: "",
  ROOM_LIST_INTERVAL: "",
  DRAIN_TIME: "",
};

/** Who is there must be told right within this, whatever happened. */
export const presenceWithinMs = 20_000;

/** How long it took until everybody who is there, and nobody else, was told to be there; undefined when it did not come so far. */
export interface Told {
  readonly when: string;
  readonly ms: number | undefined;
  /** What was told wrong last. */
  readonly wrong: readonly string[];
}

interface Listed {
  readonly nickname: string;
  readonly status: string;
}

export interface Watchers {
  readonly group: Group;
  readonly visitors: readonly Visitor[];
  /** Of somebody who may ask every instance. */
  readonly token: string;
}

function difference(where: string, told: readonly string[], there: readonly string[]): string[] {
  const [shown, is] = [new Set(told), new Set(there)];
  const more = told.filter((name) => !is.has(name));
  const less = there.filter((name) => !shown.has(name));
  if (told.length > shown.size) return [`${where}: somebody is shown twice`];
  if (more.length + less.length === 0) return [];
  return [
    `${where}: ${more.length} are shown who are not there (${more.slice(0, 3)}), ${less.length} are not (${less.slice(0, 3)})`,
  ];
}

/** Who has not come back, and what each instance answers and each client was told last, against who has not gone home. */
async function wrongs({ group, visitors, token }: Watchers): Promise<string[]> {
  const lists = group.instances.map(async ({ url }, at) => {
    const answer = await fetch(`${url}/api/users`, { headers: { Authorization: `Bearer ${token}` } });
    if (answer.status !== 200) return { at, online: undefined, status: answer.status };
    const all = (await answer.json()) as Listed[];
    return { at, online: all.filter(({ status }) => status === "online").map(({ nickname }) => nickname), status: 200 };
  });
  const answers = await Promise.all(lists);
  const there = visitors.filter(({ closed }) => !closed);
  const outside = there.filter(({ settled }) => !settled).map(({ name }) => name);
  const ofDoors = outside.length > 0 ? [`${outside.length} are not back in their rooms (${outside.slice(0, 3)})`] : [];
  const ofApi = answers.flatMap(({ at, online, status }) =>
    online
      ? difference(
          `instance ${at + 1}`,
          online,
          there.map(({ name }) => name),
        )
      : [`instance ${at + 1} answered ${status}`],
  );
  const ofClients = there.flatMap(({ name, room, present }) => {
    const inRoom = there.filter((one) => one.room === room).map((one) => one.name);
    return difference(`the client of ${name}`, present, inRoom);
  });
  return [...ofDoors, ...ofApi, ...ofClients];
}

/** Waits until who is there is told right, everywhere and to everybody. */
export async function presenceAfter(when: string, since: number, watchers: Watchers): Promise<Told> {
  let wrong: string[] = [];
  const right = async () => {
    wrong = await wrongs(watchers);
    return wrong.length === 0;
  };
  const timeoutMs = Math.max(0, since + presenceWithinMs - performance.now());
  const good = await until(right, { timeoutMs, everyMs: 200 }).catch(() => false);
  return { when, ms: good ? performance.now() - since : undefined, wrong };
}

/** Every third goes home; and the instance with most people dies, of whom every second one does not come back. */
export async function depart({ group, open }: Scene, visitors: readonly Visitor[]): Promise<void> {
  const crowds = group.instances.map((one) => visitors.filter(({ url }) => url === one.url).length);
  const index = crowds.indexOf(Math.max(...crowds));
  const { url } = group.at(index);
  const [cutOff, others] = [visitors.filter((one) => one.url === url), visitors.filter((one) => one.url !== url)];
  for (const visitor of others.filter((_, n) => n % 3 === 0)) visitor.close();
  open(index, false);
  await group.at(index).kill();
  for (const visitor of cutOff.filter((_, n) => n % 2 === 0)) visitor.close();
  await group.replace(index);
  open(index, true);
}
