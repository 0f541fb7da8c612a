import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Derived } from "../../cache/derived.ts";
import { replyTo } from "../../cache/http/send.ts";
import type { Answer } from "../../cache/wire.ts";
import { withBudget } from "../../kernel/budget.ts";
import type { Allowance } from "../../kernel/limiter.ts";
import type { Log } from "../../kernel/log.ts";
import { sendOptions } from "../routes/answer.ts";
import { allowanceHeaders, keyOfUser, noteCounted } from "../routes/limits.ts";
import type { Standing } from "../services/types.ts";
import type { Counting } from "./counting.ts";
import type { VerifiedTokens } from "./verified.ts";

/** Something that is served, to whom it may be; undefined: the long way must see to it. */
export interface HotTarget {
  /** As the long way names it. */
  readonly route: string;
  read(caller: Standing): Derived<Answer> | Promise<Derived<Answer> | undefined>;
}

export interface HotOptions {
  /** What is served at a URL. */
  targetOf(url: string): HotTarget | undefined;
  verified: VerifiedTokens;
  /** Absent: nothing is limited. */
  counting?: Counting;
  headers: (origin: string | undefined) => readonly string[];
  /** Times what is answered here. */
  timer: (req: IncomingMessage, res: ServerResponse, next: () => void) => void;
  /** A request still unanswered by then goes the long way, whose own time begins there. */
  patienceMs: number;
  /** The long way: everything that is not answered here. */
  next: RequestListener;
  log: Log;
}

type Labelled = ServerResponse & { locals?: Record<string, unknown> };

const noop = () => undefined;

function isBare({ method, headers }: IncomingMessage): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

/**
 * Answers the commonest questions ahead of everything else, from bytes: for tokens that were found good lately, counted
 * against the limits, with the headers of the long way. Whatever is in the least unusual goes that way.
 */
export function createHot(options: HotOptions): RequestListener {
  const { targetOf, verified, counting, headers, timer, patienceMs, next, log } = options;

  interface Asked {
    readonly req: IncomingMessage;
    readonly res: Labelled;
    readonly route: string;
    readonly began: number;
  }

  function send({ req, res, route, began }: Asked, { value, from }: Derived<Answer>, allowance?: Allowance): void {
    const { status, headers: own, body } = replyTo(req, value, sendOptions(from));
    const limits = allowance ? allowanceHeaders(allowance) : [];
    res.locals = { route, cache: from, began };
    timer(req, res, noop);
    res.writeHead(status, [...headers(req.headers.origin), ...limits, ...own]);
    res.end(body);
  }

  /** The long way says why it failed, or finds another one. */
  async function serve(
    asked: Asked,
    read: () => ReturnType<HotTarget["read"]>,
    counted: Allowance | Promise<Allowance> | undefined,
  ): Promise<void> {
    const { req, res, began } = asked;
    const goOn = () => {
      res.locals = { began };
      if (counted) noteCounted(req, counted);
      next(req, res);
    };
    let timeout: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timeout = setTimeout(resolve, patienceMs, undefined);
    });
    try {
      const both = Promise.all([withBudget(read), counted]);
      const [found, allowance] = (await Promise.race([both, late])) ?? [];
      if (!found || allowance?.allowed === false) goOn();
      else if (!res.destroyed) send(asked, found, allowance);
    } catch (error) {
      log.debug({ err: error, path: req.url }, "an answer could not be made ahead of the others");
      if (!res.headersSent) goOn();
    } finally {
      clearTimeout(timeout);
    }
  }

  return (req, res) => {
    const target = targetOf(req.url ?? "");
    const { authorization } = req.headers;
    const known = target && authorization !== undefined && isBare(req) ? verified.get(authorization) : undefined;
    if (!target || !known) {
      next(req, res);
      return;
    }
    const { standing } = known.caller;
    const asked = { req, res, route: target.route, began: performance.now() };
    const allowance = counting?.consume(keyOfUser(standing.id));
    if (allowance instanceof Promise) {
      void serve(asked, () => target.read(standing), allowance);
      return;
    }
    const found = target.read(standing);
    if (found instanceof Promise) void serve(asked, () => found, allowance);
    else send(asked, found, allowance);
  };
}
