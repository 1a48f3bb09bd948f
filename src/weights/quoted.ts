/** `name`, which comes from an untrusted file, for a message: in quotes, cut, and printable. */
export function quoted(name: string): string {
  return `"${printable(name.length > 80 ? `${name.slice(0, 80)}…` : name)}"`;
}

/** `text` without what would steer a terminal or break the line. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}
