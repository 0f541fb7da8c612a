import { httpContract } from "../contract/http.ts";
import { contractRedis } from "../support/contract-redis.ts";
import { mongoUrl } from "../support/databases.ts";

httpContract("with a Redis that dies all the time", mongoUrl("http-dying"), contractRedis({ dying: true }).env);
