import { isUtf8 } from 'node:buffer';
import type { Fail } from './pickle-values.js';

const longestText = 2 ** 24;
const longestInteger = 256;
const longestLine = 512;

/** Reads the arguments of a pickle's opcodes, one after another. Calls `fail` if they are invalid or the file ends. */
export abstract class PickleBytes {
  abstract readonly fail: Fail;

  /** `at`: the offset of the byte to read next. */
  constructor(
    private readonly bytes: Uint8Array,
    protected at: number,
  ) {}

  take(length: number): Uint8Array {
    const left = this.bytes.length - this.at;
    if (length > left) this.fail(left === 0 ? 'the file ends here' : `${length} bytes should follow, ${left} do`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  uint(size: 1 | 2 | 4): number {
    const from = this.at;
    this.take(size);
    let value = 0;
    for (let k = size - 1; k >= 0; k--) value = value * 256 + (this.bytes[from + k] as number);
    return value;
  }

  int32(): number {
    return this.uint(4) | 0;
  }

  /** A length stored in 8 bytes. Inexact above 2^53, but such a length is refused anyway. */
  length8(): number {
    const low = this.uint(4);
    return this.uint(4) * 2 ** 32 + low;
  }

  float(): number {
    return Buffer.from(this.take(8)).readDoubleBE();
  }

  /** An integer in two's complement, little-endian; a bigint if a number would be inexact. */
  integer(length: number): number | bigint {
    if (length < 0 || length > longestInteger) this.fail(`an integer has ${length} bytes`);
    const digits = Buffer.from(this.take(length)).reverse().toString('hex');
    const value = length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${digits}`));
    return BigInt.asIntN(53, value) === value ? Number(value) : value;
  }

  text(length: number): string {
    if (length > longestText) this.fail(`a text has ${length} bytes`);
    const bytes = Buffer.from(this.take(length));
    return isUtf8(bytes) ? bytes.toString('utf8') : this.fail('a text is not UTF-8');
  }

  /** A str of Python 2: nearly always ASCII; latin1 keeps all other bytes. */
  byteText(length: number): string {
    if (length < 0 || length > longestText) this.fail(`a text has ${length} bytes`);
    return Buffer.from(this.take(length)).toString('latin1');
  }

  /** "module.name" from the two lines after GLOBAL. */
  globalName(): string {
    return `${this.#line()}.${this.#line()}`;
  }

  #line(): string {
    const length = this.bytes.subarray(this.at, this.at + longestLine).indexOf(0x0a);
    if (length < 0) this.fail('the name of a global does not end');
    const line = this.text(length);
    this.at += 1;
    return line;
  }
}
