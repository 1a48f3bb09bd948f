/** `name`, which comes from an untrusted file, for a message: in quotes, cut, and without what would steer a terminal. */
export function quoted(name: string): string {
  const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return `"${shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD')}"`;
}
