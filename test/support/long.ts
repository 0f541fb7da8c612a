/** `npm run test:long` runs some tests for as long as the promise says; the ordinary run takes a shorter piece of it. */
export const long = process.env.SLUICE_LONG === "1";
