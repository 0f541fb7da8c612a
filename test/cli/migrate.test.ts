import { afterAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { filesBelow } from "../support/files.ts";
import { operator } from "../support/operator.ts";

const names = filesBelow("migrations", ".ts").map((file) => file.slice(0, -3));
const urls = { source: mongoUrl("cli-source"), built: mongoUrl("cli-built") };
const built = { built: true };

afterAll(() => Promise.all(Object.values(urls).map(dropDatabase)));

describe("the operator's migrate", () => {
  it("brings a database up to date, tells how it stands, and takes it back", { timeout: 60_000 }, async () => {
    const migrate = (...args: string[]) => operator(["migrate", ...args], { MONGODB_URL: urls.built }, built);
    expect((await migrate("status")).lines).toEqual(names.map((name) => expect.stringMatching(`^${name} +pending$`)));

    const dry = await migrate("up", "--dry-run");
    expect(dry).toMatchObject({ code: 0, lines: names.map((name) => `to be done  ${name}`) });
    const up = await migrate();
    expect(up).toMatchObject({ code: 0, lines: names.map((name) => `done  ${name}`) });
    expect(up.aside).toContain("Migration 001-chat-indexes begins (up)");
    expect(await migrate("up")).toMatchObject({ code: 0, lines: ["Nothing to do: the database is up to date."] });
    const done = names.map((name) => expect.stringMatching(`^${name} +done +\\d{4}-\\d\\d-\\d\\dT`));
    expect((await migrate("status")).lines).toEqual(done);

    const [stored] = (await migrate("status", "--json")).lines;
    expect(JSON.parse(stored ?? "")).toMatchObject(names.map((name) => ({ name, state: "done" })));
    const back = await migrate("down", names[1] ?? "", "--dry-run", "--json");
    expect(JSON.parse(back.lines[0] ?? "")).toEqual({ migrations: names.slice(1).reverse(), dryRun: true });
    const newest = names.at(-1);
    expect((await migrate("down", "--dry-run")).lines).toEqual([`to be taken back  ${newest}`]);
    expect(await migrate("down")).toMatchObject({ code: 0, lines: [`taken back  ${newest}`] });
    const rest = names.slice(0, -1).reverse();
    expect((await migrate("down", "0")).lines).toEqual(rest.map((name) => `taken back  ${name}`));
    expect((await migrate("down")).lines).toEqual(["Nothing to take back."]);
  });

  it("finds the migrations beside its source, too", async () => {
    const up = await operator(["migrate", "up"], { MONGODB_URL: urls.source });
    expect(up).toMatchObject({ code: 0, lines: names.map((name) => `done  ${name}`) });
  });
});

describe("the operator's door", () => {
  it.each([
    ["no database is named", 1, ["migrate"], {}, /^MONGODB_URL is not set\. Set it to the database to work on/],
    ["a variable is wrong", 1, ["migrate"], { MONGODB_URL: "http://x" }, /^MONGODB_URL: got a value it cannot use/],
    [
      "a migration is not known",
      1,
      ["migrate", "down", "x"],
      { MONGODB_URL: urls.built },
      /^There is no migration "x"\./,
    ],
    ["a command is not known", 2, ["migrat"], {}, /^error: unknown command 'migrat'\n\(Did you mean migrate\?\)/],
  ])("says plainly that %s", async (_, code, args, env, line) => {
    const answer = await operator(args, env, built);
    expect(answer).toMatchObject({ code, lines: [""] });
    expect(answer.aside).toMatch(line);
    expect(answer.aside).not.toMatch(/\n\s+at /);
  });

  it("explains itself without any configuration", async () => {
    const { code, lines } = await operator(["--help"], {}, built);
    expect(code).toBe(0);
    expect(lines.join("\n")).toMatch(/Usage: sluice .*migrate +bring the database's indexes up to date/s);
    const more = (await operator(["migrate", "--help"], {}, built)).lines.join("\n");
    for (const name of ["up", "down", "status"])
      expect(more).toMatch(new RegExp(`^ +${name} \\[options\\].* +\\w`, "m"));
  });
});
