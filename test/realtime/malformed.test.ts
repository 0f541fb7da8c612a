import { malformedSocketInput } from "../contract/sockets-malformed.ts";
import { mongoUrl } from "../support/databases.ts";

malformedSocketInput("on MongoDB alone", mongoUrl("malformed"), async () => ({ DISABLE_REDIS: "true" }));
