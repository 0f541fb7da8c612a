import { type Request, type RequestHandler, Router } from "express";
import { z } from "zod";
import type { Explanation } from "../../cache/journal.ts";
import type { Flushed } from "../../cache/tools.ts";
import type { Clock } from "../../kernel/clock.ts";
import { UnavailableError } from "../../kernel/errors.ts";
import type { ChangeBy, Settings, SettingsStore } from "../../mongo/settings-types.ts";
import type { DialDesk, turnDial as TurnDial } from "../../sessions/dial/change.ts";
import type { abortRamp as AbortRamp, startRamp as StartRamp } from "../../sessions/dial/ramp.ts";
import { changeKillSwitch } from "../change-kill-switch.ts";
import { WrongRequest } from "./answers.ts";
import { asOf } from "./as-of.ts";
import type { Jobs } from "./jobs.ts";

/** What the operator's commands are made of, too. */
interface Acts {
  turnDial: typeof TurnDial;
  startRamp: typeof StartRamp;
  abortRamp: typeof AbortRamp;
  switchCache(
    settings: Pick<SettingsStore, "current" | "change">,
    name: string,
    on: boolean,
    by: ChangeBy,
  ): Promise<Settings>;
}

export interface CacheTools {
  /** All of them, when none is named. */
  flush(name: string | undefined, by: ChangeBy): Promise<Flushed>;
  /** `key` tells one list of a cache from the others; undefined when Redis does not answer. */
  explain(name: string, key: string): Promise<Explanation | undefined>;
}

export interface ChangesOptions {
  acts: Acts;
  cacheTools: CacheTools;
  settings: SettingsStore;
  desk: DialDesk & { clock: Clock };
  caches: ReadonlySet<string>;
  jobs: Jobs;
}

const percent = z.number().min(0).max(100);
const reason = z.string().trim().min(1).max(500);
const said = z.string().trim().max(500).default("");
const seen = { reason, revision: z.int().min(0) };
const shapes = {
  dial: z.object({
    ...seen,
    percent: percent.optional(),
    mode: z.enum(["off", "shadow", "serve"]).optional(),
    oldServers: z.boolean().optional(),
    force: z.boolean().default(false),
  }),
  ramp: z.object({
    ...seen,
    to: percent,
    from: percent.optional(),
    step: z.number().min(0.001).max(100),
    everyMs: z.int().min(100).max(604_800_000),
    force: z.boolean().default(false),
  }),
  abort: z.object(seen),
  kill: z.object({ reason, on: z.boolean() }),
  cache: z.object({ ...seen, name: z.string().max(100), on: z.boolean() }),
  flush: z.object({ reason, name: z.string().max(100).optional() }),
  explain: z.object({ name: z.string().max(100), key: z.string().max(200).default("") }),
  verify: z.object({ sample: z.int().min(1).max(10_000_000).optional() }),
  backfill: z.object({ reason: said, restart: z.boolean().optional() }),
  import: z
    .object({ reason: said, dryRun: z.boolean().optional() })
    .refine(({ reason: why, dryRun }) => dryRun || why, { path: ["reason"], message: "sessions end by it: say why" }),
};

/** What is not there is left out, so that nobody takes it for a value. */
type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };
const present = <T extends object>(value: T): Present<T> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Present<T>;

function read<T>(shape: z.ZodType<T>, given: unknown): T {
  const found = shape.safeParse(given);
  if (found.success) return found.data;
  const [first] = found.error.issues;
  throw new WrongRequest(`${first?.path.join(".") || "The request"}: ${first?.message ?? "cannot be used"}.`);
}

const whoIs = (req: Request) => `console at ${(req.ip ?? "an unknown address").replace(/^::ffff:/, "")}`;

/** What Redis holds under a key, for whoever may look. */
export function explainRoute({ caches, cacheTools }: Pick<ChangesOptions, "caches" | "cacheTools">): RequestHandler {
  return async (req, res) => {
    const { name, key } = read(shapes.explain, req.query);
    if (!caches.has(name)) throw new WrongRequest(`There is no cache "${name}".`);
    const seen = await cacheTools.explain(name, key);
    if (!seen) throw new UnavailableError("Redis gives no answer. Try again when it does.");
    res.json(seen);
  };
}

/** Everything that the console can change. */
export function changeRoutes({ acts, settings, desk, caches, cacheTools, jobs }: ChangesOptions): Router {
  const router = Router();
  const byOf = (req: Request, why: string) => ({ who: whoIs(req), why });

  router.post("/dial", async (req, res) => {
    const { reason: why, revision, force, ...turn } = read(shapes.dial, req.body);
    const at = { ...desk, settings: await asOf(settings, revision) };
    res.json(await acts.turnDial(at, present(turn), { ...byOf(req, why), force }));
  });
  router.post("/ramp", async (req, res) => {
    const { reason: why, revision, force, ...plan } = read(shapes.ramp, req.body);
    const at = { ...desk, settings: await asOf(settings, revision) };
    res.json(await acts.startRamp(at, present(plan), { ...byOf(req, why), force }));
  });
  router.post("/ramp/abort", async (req, res) => {
    const { reason: why, revision } = read(shapes.abort, req.body);
    res.json({ changed: await acts.abortRamp(await asOf(settings, revision), byOf(req, why)) });
  });
  // Whatever else was changed meanwhile: in an emergency it must not be refused for that.
  router.post("/kill", async (req, res) => {
    const { reason: why, on } = read(shapes.kill, req.body);
    const { revision } = await changeKillSwitch(settings, on, byOf(req, why));
    res.json({ redisDisabled: on, revision });
  });
  router.post("/cache", async (req, res) => {
    const { reason: why, revision, name, on } = read(shapes.cache, req.body);
    if (!caches.has(name)) throw new WrongRequest(`There is no cache "${name}".`);
    const changed = await acts.switchCache(await asOf(settings, revision), name, on, byOf(req, why));
    res.json({ name, on, revision: changed.revision });
  });
  router.post("/cache/flush", async (req, res) => {
    const { reason: why, name } = read(shapes.flush, req.body);
    if (name !== undefined && !caches.has(name)) throw new WrongRequest(`There is no cache "${name}".`);
    const { keys, epoch } = await cacheTools.flush(name, byOf(req, why));
    res.json({ keys: keys ?? null, epoch });
  });
  router.post("/verify", (req, res) => {
    res.status(202).json(jobs.start("verify", present(read(shapes.verify, req.body)), byOf(req, "")));
  });
  router.post("/backfill", (req, res) => {
    const { reason: why, ...options } = read(shapes.backfill, req.body);
    res.status(202).json(jobs.start("backfill", present(options), byOf(req, why)));
  });
  router.post("/import", (req, res) => {
    const { reason: why, ...options } = read(shapes.import, req.body);
    res.status(202).json(jobs.start("import", present(options), byOf(req, why)));
  });
  router.post("/stop", (req, res) => {
    res.json({ stopped: jobs.stop(whoIs(req)) });
  });
  return router;
}
