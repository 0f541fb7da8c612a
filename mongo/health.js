// Whether this member takes writes; makes a replica set of it the first time, which change streams need.
const { readFileSync } = require("node:fs");

const admin = db.getSiblingDB("admin");
admin.auth("root", readFileSync("/run/secrets/mongo_root_password", "utf8").trim());
if (!db.hello().setName) rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
if (!db.hello().isWritablePrimary) quit(1);
