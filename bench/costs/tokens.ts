import jwt from "jsonwebtoken";
import { createTokens } from "../../src/chat/routes/tokens.ts";
import type { Figure } from "../support/report.ts";
import { ratioOf } from "../support/sums.ts";

const secret = "of the bench, for tokens and cookies alike";
const times = 1_000;

function microseconds(work: () => unknown): number {
  const before = process.cpuUsage();
  for (let n = 0; n < times; n += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

/** Looking at a token as the chat does, beside the library given the secret as it stands in the configuration. */
export function tokenCost(rounds: number): Figure {
  const tokens = createTokens(secret, 3_600_000);
  const claims = { userId: "0123456789abcdef01234567", nickname: "Ann", role: "member", csrfToken: "f".repeat(64) };
  const token = tokens.sign(claims);
  const header = `Bearer ${token}`;
  const [ours, plain]: [number[], number[]] = [[], []];
  for (let turn = -1; turn < rounds; turn += 1) {
    const here = microseconds(() => tokens.read(header));
    const there = microseconds(() => jwt.verify(token, secret, { algorithms: ["HS256"] }));
    if (turn < 0) continue;
    ours.push(here);
    plain.push(there);
  }
  const name = "µs of CPU to verify a token, with the key made once / from the secret each time";
  return { name, ...ratioOf(ours, plain), unit: "×", target: 1, atMost: true };
}
