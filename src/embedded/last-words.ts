import { readFile } from "node:fs/promises";

interface JsonLine {
  msg?: string;
  attr?: { message?: { msg?: string }; error?: { errmsg?: string } | string; reason?: string };
}

/** A line of MongoDB's JSON log without its wrapping; any other as it is. */
function plain(line: string): string {
  try {
    const { msg = line, attr } = JSON.parse(line) as JsonLine;
    const error = typeof attr?.error === "object" ? attr.error.errmsg : attr?.error;
    const detail = attr?.message?.msg ?? error ?? attr?.reason;
    return detail ? `${msg}: ${detail}` : msg.trim();
  } catch {
    return line;
  }
}

/** What a program that ended has complained of, shortened to what a person can use. */
export async function lastWords(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.trim().split("\n").slice(-200);
  const serious = lines.filter((line) => /"s":"[EF]"|^(?!\{).*(fatal|error|can't|could not|fail)/i.test(line));
  const words = serious.length > 0 ? serious : lines.slice(-3);
  return [...new Set(words.map(plain))].slice(0, 3).join("; ").slice(0, 800);
}
