// Run once by the image, on an empty database: the chat's user, who may read and write its own database and no other.
const { readFileSync } = require("node:fs");

db.getSiblingDB("chat").createUser({
  user: "sluice",
  pwd: readFileSync("/run/secrets/mongo_password", "utf8").trim(),
  roles: [{ role: "readWrite", db: "chat" }],
});
