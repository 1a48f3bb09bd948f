/** The functions of a library among undefined symbols. */
export function functionsOf(name: string, undefinedSymbols: readonly string[]): string[];
