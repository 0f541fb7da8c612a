import type { Log } from "../../src/kernel/log.ts";

export interface LogLine {
  level: keyof Log;
  fields: Record<string, unknown>;
  message: string;
}

/** A log that remembers, for tests of what is said and how often. */
export function createRecorder(): Log & { lines: LogLine[]; said(level: keyof Log, words: RegExp): LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: keyof Log) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message });
  };
  return {
    lines,
    said: (level, words) => lines.filter((line) => line.level === level && words.test(line.message)),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}
