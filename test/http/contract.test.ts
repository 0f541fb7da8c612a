import { httpContract } from "../contract/http.ts";
import { mongoUrl } from "../support/databases.ts";

httpContract("on MongoDB alone", mongoUrl("http"), async () => ({ DISABLE_REDIS: "true" }));
