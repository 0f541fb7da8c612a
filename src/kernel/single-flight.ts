/** Callers that ask for the same key while one is under way share its answer. */
export function createSingleFlight<T>(): (key: string, load: () => Promise<T>) => Promise<T> {
  const flights = new Map<string, Promise<T>>();
  return (key, load) => {
    const flying = flights.get(key);
    if (flying) return flying;
    const flight = load().finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  };
}
