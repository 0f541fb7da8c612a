/** What a channel is called by who uses this database number: Pub/Sub knows none, and tells everybody who listens. */
export const channelIn = (database: number, name: string): string => (database === 0 ? name : `${name}@${database}`);
