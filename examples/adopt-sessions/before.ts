import { MongoStore } from "connect-mongo";
import express from "express";
import session from "express-session";

const { MONGODB_URL = "mongodb://127.0.0.1:27017/shop", SESSION_SECRET = "a secret", PORT = "3000" } = process.env;

declare module "express-session" {
  interface SessionData {
    visits?: number;
  }
}

const store = MongoStore.create({ mongoUrl: MONGODB_URL, touchAfter: 3_600 });

const app = express();
app.use(
  session({
    store,
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 7 * 86_400_000 },
  }),
);

app.get("/", (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.json({ visits: req.session.visits });
});

app.post("/logout", (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.json({})));
});

const server = app.listen(Number(PORT), "127.0.0.1", () => console.log("listening at", server.address()));

process.once("SIGTERM", () => {
  server.close(() => void store.close());
  server.closeIdleConnections();
});
