import { httpContract } from "../contract/http.ts";
import { contractRedis } from "../support/contract-redis.ts";
import { mongoUrl } from "../support/databases.ts";

const redis = contractRedis();
httpContract("with Redis", mongoUrl("http-redis"), redis.env);
redis.usedThroughout(100);
