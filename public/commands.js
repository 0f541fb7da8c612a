const LONGEST = 2000;

/** What the typed line means: {text}, {to, text}, or {problem} in plain words. Nicknames may hold blanks, so those present win. */
export function readLine(line, present = []) {
  const trimmed = line.trim();
  if (!/^\/w(\s|$)/.test(trimmed)) return checked({ text: trimmed });
  const rest = trimmed.slice(2).trimStart();
  const to = longestMatch(rest, present) ?? rest.split(/\s/, 1)[0];
  const text = rest.slice(to.length).trim();
  if (!to || !text) return { to, problem: "Write the nickname and then the text: /w nickname text" };
  return checked({ to, text });
}

function longestMatch(rest, present) {
  const lower = rest.toLowerCase();
  return present
    .filter((name) => lower.startsWith(name.toLowerCase()) && /^(\s|$)/.test(rest.slice(name.length)))
    .sort((a, b) => b.length - a.length)[0];
}

function checked(said) {
  const length = said.text.length;
  if (length <= LONGEST) return said;
  return { ...said, problem: `A message takes at most 2000 characters. This one has ${length}.` };
}
