import { socketContract } from "../contract/sockets.ts";
import { contractRedis } from "../support/contract-redis.ts";
import { mongoUrl } from "../support/databases.ts";

socketContract("with a Redis that is frozen", mongoUrl("sockets-frozen"), contractRedis({ frozen: true }).env);
