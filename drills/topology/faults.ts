import type { Deployed } from "../../test/support/deployment.ts";
import type { Stage } from "./stage.ts";

export interface Fault {
  readonly name: string;
  /** There is another master afterwards. */
  readonly interrupts: boolean;
  /** Nobody asks for anything until every server has noticed. */
  readonly quiet?: boolean;
  begin(stage: Stage, scene: Scene): Promise<void>;
}

export interface Scene {
  /** Before the fault. */
  master: Deployed;
  /** Whom the last fault befell. */
  victim?: Deployed;
}

const killed: Fault = {
  name: "master killed",
  interrupts: true,
  async begin(_, scene) {
    scene.victim = scene.master;
    await scene.victim.kill();
  },
};
/** A write that is cut off makes all copies old by itself; here nothing but the loss of Redis tells. */
const killedAtRest: Fault = { ...killed, name: "master killed at rest", quiet: true };
const restored: Fault = {
  name: "it is started again",
  interrupts: false,
  async begin(stage, { victim }) {
    await victim?.start();
    await stage.settled();
  },
};
const frozen: Fault = {
  name: "master frozen",
  interrupts: true,
  async begin(_, scene) {
    scene.victim = scene.master;
    scene.victim.freeze();
  },
};
const thawed: Fault = {
  name: "it is thawed",
  interrupts: false,
  async begin(stage, { victim }) {
    victim?.thaw();
    await stage.settled();
  },
};
const asked: Fault = { name: "failover by hand", interrupts: true, begin: (stage) => stage.failover() };

/** How it is on this machine when nothing happens. */
const calm: Fault = { name: "none", interrupts: false, begin: async () => {} };

export const wholePlan = [calm, killed, restored, frozen, thawed, killedAtRest, restored, asked];
export const shortPlan = [calm, killed, restored, killedAtRest, restored];
