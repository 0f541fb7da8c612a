// Letters of other alphabets and digits that read like a Latin letter of the one reserved name.
const lookalikes: Record<string, string> = {
  ѕ: "s",
  ꮪ: "s",
  "5": "s",
  $: "s",
  ꜱ: "s",
  ƽ: "s",
  տ: "s",
  у: "y",
  ү: "y",
  γ: "y",
  υ: "y",
  ʏ: "y",
  ყ: "y",
  ỿ: "y",
  ɣ: "y",
  т: "t",
  τ: "t",
  ᴛ: "t",
  "7": "t",
  "+": "t",
  е: "e",
  є: "e",
  ε: "e",
  ҽ: "e",
  "3": "e",
  ᴇ: "e",
  ℮: "e",
  ə: "e",
  м: "m",
  μ: "m",
  ᴍ: "m",
  ʍ: "m",
};

/** True for the name of the author of system lines in any case, spelling or alphabet that reads the same. */
export function readsAsSystem(nickname: string): boolean {
  const plain = nickname.normalize("NFKD").toLowerCase();
  const letters = [...plain].map((letter) => lookalikes[letter] ?? letter).join("");
  return letters.replace(/[^\p{L}\p{N}]/gu, "") === "system";
}

/** Characters that cannot be seen could make two people look like one. */
export function hasInvisible(nickname: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800]/u.test(nickname);
}
