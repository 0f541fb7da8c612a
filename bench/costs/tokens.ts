import jwt from "jsonwebtoken";
import { createTokens } from "../../src/chat/routes/tokens.ts";
import type { Figure } from "../support/report.ts";
import { costBeside, microseconds } from "./beside.ts";

const secret = "of the bench, for tokens and cookies alike";
const times = 1_000;

const each = async (work: () => unknown) =>
  (await microseconds(() => {
    for (let n = 0; n < times; n += 1) work();
  })) / times;

/** Looking at a token as the chat does, beside the library given the secret as it stands in the configuration. */
export function tokenCost(rounds: number): Promise<Figure> {
  const tokens = createTokens(secret, 3_600_000);
  const claims = { userId: "0123456789abcdef01234567", nickname: "Ann", role: "member", csrfToken: "f".repeat(64) };
  const token = tokens.sign(claims);
  const header = `Bearer ${token}`;
  return costBeside("µs of CPU to verify a token, with the key made once / from the secret each time", rounds, [
    () => each(() => tokens.read(header)),
    () => each(() => jwt.verify(token, secret, { algorithms: ["HS256"] })),
  ]);
}
