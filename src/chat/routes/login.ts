import { Router } from "express";
import { hasInvisible, readsAsSystem } from "../services/nicknames.ts";
import type { Accounts, SocketLinks } from "../services/types.ts";
import { sendError } from "./answers.ts";
import { byAddress, type DoorLimits, limited, tooMany } from "./limits.ts";
import type { createOpenSession } from "./open-session.ts";
import { and, emailField, readBody, textField } from "./validate.ts";

interface Options {
  accounts: Accounts;
  links: Pick<SocketLinks, "loggedIn">;
  limits: DoorLimits;
  openSession: ReturnType<typeof createOpenSession>;
}

const nickname = and(
  and(
    textField("Nickname", 3, 50, { trim: true }),
    (n) => !hasInvisible(n),
    "Nickname must not contain invisible characters",
  ),
  (n) => !readsAsSystem(n),
  "This nickname is reserved",
);
// Else a stranger could take somebody's e-mail as a nickname.
const newNickname = and(nickname, (n) => "msg" in emailField(n), "Nickname must not be an e-mail address");
const registration = { nickname: newNickname, email: emailField, password: textField("Password", 6, 1_024) };
const credentials = { identifier: textField("Nickname or e-mail", 1, 254), password: textField("Password", 1, 1_024) };

export function loginRoutes({ accounts, links, limits, openSession }: Options): Router {
  const router = Router();

  router.post("/register", limited(limits.register, byAddress), async (req, res) => {
    const wanted = () => !res.headersSent;
    const account = await accounts.register(readBody(req.body, registration), wanted, links.loggedIn);
    res.status(201).json(await openSession(req, account, "registrationTime"));
  });

  router.post("/login", limited(limits.login, byAddress), async (req, res) => {
    const { identifier, password } = readBody(req.body, credentials);
    const wanted = () => !res.headersSent;
    // With the address in the key a stranger's failures never lock the owner out.
    const key = limits.loginFailures && `${await accounts.keyOf(identifier)} ${byAddress(req)}`;
    // Counted before it is known, so that many at once are no way round; given back when it was right.
    const attempt = key && (await limits.loginFailures?.consume(key));
    if (attempt && !attempt.allowed) return tooMany(res, attempt);
    const result = await accounts.login(identifier, password, wanted, links.loggedIn);
    if (!wanted()) return;
    if (!result) return sendError(res, 400, "INVALID_CREDENTIALS", "Invalid credentials");
    if (key) await limits.loginFailures?.forget(key);
    if (result.kind === "banned") {
      const { reason, expires } = result;
      return sendError(res, 403, "BANNED", "Account is banned", { reason, expires });
    }
    res.json(await openSession(req, result.account, "loginTime"));
  });

  return router;
}
