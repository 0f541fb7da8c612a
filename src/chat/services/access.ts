import type { ChannelAccess, Role } from "./types.ts";

type Access = Pick<ChannelAccess, "adminsOnly">;

/** Whether somebody of this role may read the channel. */
export const mayRead = ({ adminsOnly }: Access, role: Role): boolean => !adminsOnly.read || role === "admin";

/** Whether somebody of this role may write in it. */
export const mayWrite = ({ adminsOnly }: Access, role: Role): boolean => !adminsOnly.write || role === "admin";
