import { readFile } from "node:fs/promises";

/** A line of MongoDB's JSON log without its wrapping; any other as it is. */
function plain(line: string): string {
  try {
    const { msg, attr } = JSON.parse(line) as { msg?: string; attr?: { error?: unknown; reason?: unknown } };
    const detail = attr?.error ?? attr?.reason;
    return detail === undefined
      ? (msg ?? line)
      : `${msg}: ${typeof detail === "string" ? detail : JSON.stringify(detail)}`;
  } catch {
    return line;
  }
}

/** The last serious lines that a program has written, else its last ones. */
export async function lastWords(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.trim().split("\n").slice(-100);
  const serious = lines.filter((line) => /"s":"[EF]"|^(?!\{).*(fatal|error|can't|fail)/i.test(line));
  return (serious.length > 0 ? serious : lines).slice(-3).map(plain).join("; ").slice(0, 800);
}
