import { Registry } from "prom-client";

/** A room's metrics: made on the registry from what it is given, until the function it answers is called. */
export type Theme = (registry: Registry) => () => void;

export interface Metrics {
  readonly registry: Registry;
  add(theme: Theme): void;
  /** Everything as Prometheus reads it. */
  page(): Promise<{ type: string; text: string }>;
  close(): void;
}

/** The metrics of one instance, on a registry of their own: several instances in a process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const ends: (() => void)[] = [];
  return {
    registry,
    add: (theme) => void ends.push(theme(registry)),
    page: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    close() {
      for (const end of ends.splice(0).reverse()) end();
      registry.clear();
    },
  };
}
