import { socketContract } from "../contract/sockets.ts";
import { contractRedis } from "../support/contract-redis.ts";
import { mongoUrl } from "../support/databases.ts";

const redis = contractRedis();
socketContract("with Redis", mongoUrl("sockets-redis"), redis.env);
redis.usedThroughout(100);
