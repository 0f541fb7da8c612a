import { httpContract } from "../contract/http.ts";
import { contractRedis } from "../support/contract-redis.ts";
import { mongoUrl } from "../support/databases.ts";

httpContract("with a Redis that is frozen", mongoUrl("http-frozen"), contractRedis({ frozen: true }).env);
