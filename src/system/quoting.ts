/** A value in a table; null and undefined become an empty cell. */
export type CsvValue = string | number | null | undefined;

/** A line of CSV. Cells are quoted as RFC 4180 says, where they need it; the line ends in \n, as in other text files. */
export const csvLine = (cells: readonly CsvValue[]): string => `${cells.map(written).join(',')}\n`;

function written(value: CsvValue): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Quotes `text` where needed, so that a shell reads it as one word. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
