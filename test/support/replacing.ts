/** The same object, but for one of its methods. */
export function replacing<T extends object>(target: T, name: string, by: unknown): T {
  return new Proxy(target, {
    get(_, key) {
      if (key === name) return by;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
