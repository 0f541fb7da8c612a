/** For a program that the benches start: it goes when whoever started it is gone, however that went. */
process.on("disconnect", () => process.exit());
