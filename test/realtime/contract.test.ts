import { socketContract } from "../contract/sockets.ts";
import { mongoUrl } from "../support/databases.ts";

socketContract("on MongoDB alone", mongoUrl("sockets"), async () => ({ DISABLE_REDIS: "true" }));
