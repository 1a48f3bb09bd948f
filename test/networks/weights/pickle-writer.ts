/** Pickles in the making: opcodes by name, and a small pickler, for streams that Python would and would not write. */

type Part = Uint8Array | readonly number[] | string;

/** One stream of raw bytes, ASCII texts and other streams. */
export function bytes(...parts: Part[]): Uint8Array {
  const buffers = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)));
  // A plain Uint8Array, as files are read: slice() of a Buffer would not copy.
  return new Uint8Array(Buffer.concat(buffers));
}

/** A whole pickle of the given protocol around `parts`. */
export function pickle(protocol: number, ...parts: Part[]): Uint8Array {
  return bytes([0x80, protocol], ...parts, '.');
}

/** A number as `size` little-endian bytes. */
export function little(value: number | bigint, size: 1 | 2 | 4 | 8): Uint8Array {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(0, size);
}

export function text(value: string): Uint8Array {
  const encoded = Buffer.from(value);
  return bytes('X', little(encoded.length, 4), encoded);
}

export function int(value: number): Uint8Array {
  return bytes('J', little(value, 4));
}

export function global(module: string, name: string): Uint8Array {
  return bytes('c', `${module}\n${name}\n`);
}

export function tuple(...items: Uint8Array[]): Uint8Array {
  return bytes('(', ...items, 't');
}

export function list(...items: Uint8Array[]): Uint8Array {
  return bytes('](', ...items, 'e');
}

export function dict(entries: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  return bytes('}(', ...entries.flatMap(([key, value]) => [text(key), value]), 'u');
}

export function call(callee: Uint8Array, ...args: Uint8Array[]): Uint8Array {
  return bytes(callee, tuple(...args), 'R');
}

/** An OrderedDict as a PyTorch state dict is: with its `_metadata` set by BUILD. */
export function stateDict(entries: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const items = entries.flatMap(([key, value]) => [text(key), value]);
  const empty = call(global('collections', 'OrderedDict'));
  return bytes(empty, '(', ...items, 'u', dict([['_metadata', dict([])]]), 'b');
}
