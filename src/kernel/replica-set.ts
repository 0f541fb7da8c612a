/** For whoever runs MongoDB as a single server, and so without change streams. */
export const howToReplicate =
  "Start it with --replSet rs0 and run rs.initiate(): one member is enough for change streams.";
