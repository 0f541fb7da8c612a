import type { Db, Document, MongoClient } from "mongodb";

export interface Explained {
  /** Of the plan that won, from the top: LIMIT, FETCH, IXSCAN … */
  stages: string[];
  keysExamined: number;
  docsExamined: number;
  returned: number;
}

const inMemory = new Set(["COLLSCAN", "SORT", "SORT_KEY_GENERATOR"]);

function winners(part: unknown): Document[] {
  if (Array.isArray(part)) return part.flatMap(winners);
  if (typeof part !== "object" || part === null) return [];
  return Object.entries(part).flatMap(([key, value]) =>
    key === "winningPlan" ? [value.queryPlan ?? value] : key === "rejectedPlans" ? [] : winners(value),
  );
}

function stagesOf(plan: Document): string[] {
  const below: Document[] = plan.inputStages ?? (plan.inputStage ? [plan.inputStage] : []);
  return [plan.stage, ...below.flatMap(stagesOf)];
}

/** Throws when a plan walks a whole collection or sorts in memory; `explain` is of the verbosity executionStats. */
export function assertIndexed(explain: Document, what = "the query"): Explained {
  const plans = winners(explain);
  if (plans.length === 0) throw new Error(`No plan in the explanation of ${what}`);
  const stages = plans.flatMap(stagesOf);
  const bad = stages.filter((stage) => inMemory.has(stage));
  if (bad.length > 0) throw new Error(`${what} has ${bad.join(" and ")} in its plan: ${stages.join(" ")}`);
  const run = explain.executionStats ?? explain.stages?.[0]?.$cursor?.executionStats ?? {};
  const { totalKeysExamined = 0, totalDocsExamined = 0, nReturned = 0 } = run;
  return { stages, keysExamined: totalKeysExamined, docsExamined: totalDocsExamined, returned: nReturned };
}

const explainable = ["find", "aggregate", "count", "distinct", "update", "delete", "findAndModify"];
const ofTheConnection = /^(\$|lsid|txnNumber|writeConcern|readConcern|ordered|bypassDocumentValidation)/;

export interface CommandExplained extends Explained {
  command: Document;
}

/**
 * Runs `work` and then explains every query and write that it sent, so that what is tested is what the product asks.
 * The client must have been opened with `monitorCommands`.
 */
export async function explainAll(
  client: MongoClient,
  db: Db,
  work: () => Promise<unknown>,
): Promise<CommandExplained[]> {
  const seen: Document[] = [];
  const listen = ({ commandName, command }: { commandName: string; command: Document }) => {
    if (explainable.includes(commandName)) seen.push(...singly(withoutConnection(command)));
  };
  client.on("commandStarted", listen);
  try {
    await work();
  } finally {
    client.off("commandStarted", listen);
  }
  const explained: CommandExplained[] = [];
  for (const command of seen) {
    const plan = await db.command({ explain: command, verbosity: "executionStats" });
    explained.push({ command, ...assertIndexed(plan, JSON.stringify(command)) });
  }
  return explained;
}

function withoutConnection(command: Document): Document {
  return Object.fromEntries(Object.entries(command).filter(([key]) => !ofTheConnection.test(key)));
}

/** Only one write at a time can be explained. */
function singly(command: Document): Document[] {
  for (const list of ["updates", "deletes"])
    if (Array.isArray(command[list])) return command[list].map((write: Document) => ({ ...command, [list]: [write] }));
  return [command];
}
