function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether JSON brings the value back as it is: no Date, no Buffer, no undefined, no NaN. */
export function isPlain(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (Array.isArray(value)) return value.every(isPlain);
  return typeof value === "object" && isPlainObject(value) && Object.values(value).every(isPlain);
}

/** The same with null for undefined, as the driver stores it, so that what is hashed is what is read back. */
export function withNulls(value: unknown): unknown {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(withNulls);
  if (typeof value !== "object" || value === null || !isPlainObject(value)) return value;
  const entries = Object.entries(value).filter(([, field]) => typeof field !== "function");
  return Object.fromEntries(entries.map(([key, field]) => [key, withNulls(field)]));
}
