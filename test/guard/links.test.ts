import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, root } from "../support/files.ts";

const pages = ["README.md", ...filesBelow("docs", ".md").map((file) => join("docs", file))];

describe("what the documents name is there:", () => {
  it.each(pages)("%s", (page) => {
    const text = readFileSync(join(root, page), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? "");
    const paths = [
      ...text.matchAll(/`((?:src|test|docs|public|bench|drills|examples|migrations|monitoring)\/[\w./-]+)`/g),
    ];
    const missing = [
      ...links.filter((link) => !existsSync(join(root, normalize(join(dirname(page), link))))),
      ...paths.map((match) => match[1] ?? "").filter((path) => !existsSync(join(root, path))),
    ];
    expect(missing).toEqual([]);
  });

  it("package.json", () => {
    const { exports, files, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const built = [
      ...Object.values(exports).flatMap((entry) =>
        typeof entry === "string" ? entry : Object.values(entry as object),
      ),
      ...Object.values(bin),
    ];
    const sources = built.map((path) =>
      String(path)
        .replace(/^\.\/dist\//, "")
        .replace(/\.d\.ts$|\.js$/, ".ts"),
    );
    const folders = files.map((path: string) => path.replace(/^dist\//, ""));
    const missing = [...sources, ...folders].filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});
