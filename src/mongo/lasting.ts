import type { MongoClient } from "mongodb";
import { untilDone } from "../kernel/until-done.ts";

/** A client that is connected sooner or later: the driver itself tries again only when it has been connected once. */
export interface Lasting {
  close(): Promise<void>;
}

export function lasting(client: MongoClient, onFailure: (error: unknown) => void = () => undefined): Lasting {
  const connecting = untilDone(() => client.connect(), { onFailure });
  return {
    async close() {
      const ended = connecting.close();
      await client.close();
      await ended;
    },
  };
}
