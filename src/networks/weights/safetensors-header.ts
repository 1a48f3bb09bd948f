import { quoted } from '../../system/printable.js';

// Limits far above any network. Without them, a header of 100 MB could take gigabytes of memory.
const mostMembers = 250_000;
const mostIntegers = 64;

/** One tensor as the header describes it. `begin` and `end` are in bytes from the end of the header. */
export interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Parses a safetensors header. This parser reads only the format's grammar. JSON.parse would drop duplicate keys,
 * reorder numeric keys, and turn a hostile header of 100 MB into gigabytes of objects. Throws an Error with the
 * character's index.
 */
export function parseHeader(json: string) {
  const scanner = new Scanner(json);
  const entries = new Map<string, HeaderEntry>();
  const metadata = new Map<string, string>();
  scanner.object((key) => {
    if (key === '__metadata__') scanner.object((name) => metadata.set(name, scanner.string()));
    else entries.set(key, parseEntry(scanner, key));
  });
  scanner.end();
  return { entries, metadata };
}

function parseEntry(scanner: Scanner, name: string): HeaderEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((key) => {
    if (key === 'dtype') dtype = scanner.string();
    else if (key === 'shape') shape = scanner.integers();
    else if (key === 'data_offsets') offsets = scanner.integers();
    else scanner.fail(`${quoted(name)} has an unknown property ${quoted(key)}`);
  });
  const [begin, end] = offsets ?? [];
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined || offsets?.length !== 2) {
    return scanner.fail(`${quoted(name)} lacks a dtype, a shape or two data_offsets`);
  }
  return { dtype, shape, begin, end };
}

/** Reads JSON tokens one after another. Whitespace may precede each. */
class Scanner {
  #at = 0;

  constructor(private readonly text: string) {}

  fail(problem: string): never {
    throw new Error(`${problem}, near character ${this.#at} of the header`);
  }

  /** Reads an object; `member` reads the value of each key, none of which may be there twice. */
  object(member: (key: string) => void): void {
    const seen = new Set<string>();
    this.#list('{', '}', mostMembers, () => {
      const key = this.string();
      if (!this.#accept(':')) this.fail('a colon is missing');
      if (seen.has(key)) this.fail(`${quoted(key)} is there twice`);
      seen.add(key);
      member(key);
    });
  }

  integers(): number[] {
    const values: number[] = [];
    this.#list('[', ']', mostIntegers, () => values.push(this.#integer()));
    return values;
  }

  string(): string {
    if (!this.#accept('"')) this.fail('a text is missing');
    const start = this.#at - 1;
    for (; this.#at < this.text.length; this.#at++) {
      const char = this.text[this.#at];
      if (char === '\\') this.#at++;
      else if (char === '"') {
        this.#at++;
        return this.#unescape(this.text.slice(start, this.#at));
      }
    }
    return this.fail('a text does not end');
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.text.length) this.fail('something follows the header');
  }

  #list(open: string, close: string, most: number, item: () => void): void {
    if (!this.#accept(open)) this.fail(`${open} is missing`);
    if (this.#accept(close)) return;
    let count = 0;
    do {
      if (++count > most) this.fail(`more than ${most} members`);
      item();
    } while (this.#accept(','));
    if (!this.#accept(close)) this.fail(`${close} is missing`);
  }

  #integer(): number {
    this.#skipSpace();
    const start = this.#at;
    while ('0123456789'.includes(this.text[this.#at] ?? 'end')) this.#at++;
    const digits = this.text.slice(start, this.#at);
    const value = Number(digits);
    if (!/^(0|[1-9][0-9]*)$/.test(digits) || !Number.isSafeInteger(value)) {
      this.#at = start;
      this.fail('a whole number from 0 to 2^53 - 1 is missing');
    }
    return value;
  }

  #unescape(literal: string): string {
    try {
      return JSON.parse(literal) as string;
    } catch {
      return this.fail('a text is not well formed');
    }
  }

  #accept(char: string): boolean {
    this.#skipSpace();
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    while (' \t\r\n'.includes(this.text[this.#at] ?? 'end')) this.#at++;
  }
}
