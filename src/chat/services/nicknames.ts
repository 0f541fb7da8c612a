// Letters of other alphabets and digits that read like a Latin letter of the one reserved name.
const alike: Record<string, string> = {
  s: "ѕꮪꜱƽտʂşșśšꓢᏚⲥςßƨ5$§",
  y: "уүγυʏყỿɣꓬᎩⲩƴɏ¥ÿү",
  t: "тτᴛ7+ꓔᎢⲧŧƭțţ†",
  e: "еєεҽ3ᴇ℮əꓰᎬⲉɛɇęėёэ€",
  m: "мμᴍʍꓟᎷⲙɱӎ",
};
const lookalikes = new Map(
  Object.entries(alike).flatMap(([letter, others]) =>
    [...others.toLowerCase()].map((other) => [other, letter] as const),
  ),
);

/** True for the name of the author of system lines in any case, spelling or alphabet that reads the same. */
export function readsAsSystem(nickname: string): boolean {
  const plain = nickname.normalize("NFKD").toLowerCase();
  const letters = [...plain].map((letter) => lookalikes.get(letter) ?? letter).join("");
  return letters.replace(/[^\p{L}\p{N}]/gu, "").replaceAll("rn", "m") === "system";
}

/** Characters that cannot be seen could make two people look like one. */
export function hasInvisible(nickname: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800]/u.test(nickname);
}
