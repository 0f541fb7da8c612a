import mongoose from "mongoose";
import { historyFault } from "./history.ts";
import { createOracle, type Listing } from "./oracle.ts";

/** `unknown` is no verdict: too little was seen of MongoDB before the answer was asked for. */
type Verdict = "right" | "unknown" | { fault: string };

export interface Judge {
  /** At an answer that came now. */
  look(path: string, body: string, asked: number): Promise<Verdict>;
  close(): Promise<void>;
}

export interface JudgeOptions {
  /** How old an answer may be. */
  boundMs?: number;
  /** MongoDB is looked at so often. */
  everyMs?: number;
}

const list = /^\/api\/(users|channels)$/;
const history = /^\/api\/channels\/([^/]+)\/messages$/;

export const isJudged = (path: string): boolean => list.test(path) || history.test(path);

/** Compares answers with what MongoDB had, for as long as the process lives. */
export async function openJudge(mongoUrl: string, options: JudgeOptions = {}): Promise<Judge> {
  const { boundMs = 1_200, everyMs = 400 } = options;
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const db = client.db();
  const oracle = createOracle(db, { boundMs, everyMs });
  const verdictOf = (fault: string | undefined): Verdict => (fault === undefined ? "right" : { fault });

  return {
    async look(path, body, asked) {
      const channel = history.exec(path)?.[1];
      if (channel) return verdictOf(await historyFault(db, channel, JSON.parse(body).messages, asked, boundMs));
      const listing = list.exec(path)?.[1] as Listing | undefined;
      if (!listing || !oracle.knows(asked)) return "unknown";
      return verdictOf(await oracle.check(listing, body, asked));
    },
    async close() {
      oracle.close();
      await client.close();
    },
  };
}
