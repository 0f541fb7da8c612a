import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { variables } from "../../src/config/variables.ts";
import { composeFile } from "../support/compose.ts";
import { filesBelow, root } from "../support/files.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const pages = ["docs/deploy.md", "docs/backup.md", "docs/security.md"];
const compose = composeFile();
/** Not the chat's: Docker's, MongoDB's and this deployment's own. */
const others = [
  "NODE_ENV",
  "CERTIFICATES",
  "COMPOSE_FILE",
  "COMPOSE_PROFILES",
  ...read("docker-compose.yml").matchAll(/\$\{(\w+)/g),
].map((one) => (typeof one === "string" ? one : (one[1] ?? "")));

describe.each(pages)("%s", (page) => {
  const text = read(page);
  const marked = [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  const commands = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap((match) => (match[1] ?? "").split("\n"));

  it("is for a person in a hurry: two screens", () => {
    expect(text.split("\n").length).toBeLessThanOrEqual(100);
  });

  it("speaks of variables that there are", () => {
    const names = [...marked, ...commands].flatMap((words) => words.match(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g) ?? []);
    const known = (name: string) => name in variables || others.includes(name);
    expect(names.filter((name) => !known(name) && !known(name.replace(/_FILE$/, "")))).toEqual([]);
  });

  it("names files, drills, services and scripts that there are", () => {
    const paths = [...marked, ...commands].flatMap(
      (words) => words.match(/\b(?:sentinel|haproxy|mongo|monitoring|test|docs)\/[\w./-]+\w/g) ?? [],
    );
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const drills = [...text.matchAll(/npm run drill -- (\w+)/g)].map((match) => `${match[1]}.ts`);
    expect(drills.filter((drill) => !filesBelow("drills", ".ts").includes(drill))).toEqual([]);
    const services = [...text.matchAll(/docker compose (?:exec(?: -T)?|stop|start|restart) ([\w-]+)/g)];
    expect(services.map((match) => match[1] ?? "").filter((name) => !(name in compose.services))).toEqual([]);
    const scripts = [...text.matchAll(/npm run (\w+)/g)].map((match) => match[1] ?? "");
    expect(scripts.filter((script) => !(script in JSON.parse(read("package.json")).scripts))).toEqual([]);
  });

  it("knows only commands of sluice that there are", () => {
    const desk = { config: () => ({}), environment: () => ({}), print() {}, aside() {}, fail() {} } as never;
    const top = createProgram(desk);
    const lines = [...text.matchAll(/(?:sluice|cli\.js) ([a-z]+(?: [a-z]+)?)/g)].map((match) =>
      (match[1] ?? "").split(" "),
    );
    const wrong = lines.filter(([first = "", second]) => {
      const command = top.commands.find((one) => one.name() === first);
      const within = command && command.commands.length > 0;
      return !command || (within && !command.commands.some((one) => one.name() === second));
    });
    expect(wrong).toEqual([]);
  });
});

it("the pages name every secret, and every profile and file of the deployment", () => {
  const secrets = Object.entries(variables).filter(([, { secret }]) => secret);
  for (const [name] of secrets) expect(read("docs/security.md")).toContain(`\`${name}\``);
  const deploy = read("docs/deploy.md");
  for (const file of filesBelow("sentinel", "").filter((name) => !name.startsWith("make-")))
    expect(deploy).toContain(file);
  const profiles = new Set(Object.values(compose.services).flatMap((service) => service.profiles ?? []));
  for (const profile of profiles) expect(deploy).toContain(profile);
});

it("what was chosen stands in .env, which no command that is printed goes past", () => {
  const docs = filesBelow("docs", ".md").map((page) => `docs/${page}`);
  const said = filesBelow("sentinel", "").map((file) => `sentinel/${file}`);
  const lines = ["README.md", "docker-compose.yml", ...docs, ...said].flatMap((path) => read(path).split("\n"));
  const commands = lines.flatMap((line) => line.match(/docker compose [^`]*/g) ?? []);
  expect(commands.length).toBeGreaterThan(10);
  expect(commands.filter((command) => command.startsWith("docker compose -"))).toEqual([]);
  const deploy = read("docs/deploy.md");
  for (const file of filesBelow("sentinel", ".env")) expect(deploy).toContain(`cp sentinel/${file} .env`);
  const [, files = ""] = /^echo COMPOSE_FILE=(\S+) >>\.env$/m.exec(deploy) ?? [];
  expect(files.split(":")).toEqual(["docker-compose.yml", "sentinel/tls.yml"]);
});
