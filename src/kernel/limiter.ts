/** What became of one attempt; the figures go into the RateLimit headers. */
export interface Allowance {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  readonly windowSeconds: number;
}

/** Counts attempts per key within a window; how it is shared between instances is its maker's business. It never throws. */
export interface Limiter {
  consume(key: string, points?: number): Promise<Allowance>;
  /** Where the key stands, without counting. */
  peek(key: string): Promise<Allowance>;
  forget(key: string): Promise<void>;
}
