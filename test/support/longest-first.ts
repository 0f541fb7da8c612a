import { BaseSequencer, type TestSpecification } from "vitest/node";

/** By what they take; one of them alone at the end would keep the other processor waiting. */
const long = [
  "faults/redis-faults",
  "drills/sessions",
  "realtime/presence-processes",
  "cli/serve",
  "sessions/rollout-contract",
  "realtime/between",
  "ops/console.test",
  "properties/",
  "drills/",
  "mongo/watch.test",
  "realtime/contract",
  "embedded/guardian",
];

const rank = ({ moduleId }: TestSpecification) => {
  const at = long.findIndex((part) => moduleId.includes(`/test/${part}`));
  return at < 0 ? long.length : at;
};

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
