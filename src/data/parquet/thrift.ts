/** Parquet's own structs are less deep. */
const maxDepth = 16;

/**
 * Checks a Thrift struct, of a footer or of a page's header: every list and string in it must lie within `view`.
 * hyparquet allocates a list of the length that it announces.
 *
 * Throws an Error that says what is wrong.
 */
export function checkThrift(view: DataView, from: number): void {
  let at = from;
  const skip = (length: number) => {
    if (length > view.byteLength - at) throw new Error(`${length} bytes are announced, ${view.byteLength - at} left`);
    at += length;
  };
  const byte = (): number => {
    skip(1);
    return view.getUint8(at - 1);
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const next = byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return value;
    }
    throw new Error('a number is too long');
  };
  const list = (depth: number): void => {
    const header = byte();
    const size = header >> 4 === 15 ? varint() : header >> 4;
    // Each element takes a byte at least.
    if (size > view.byteLength - at) throw new Error(`a list of ${size} is announced`);
    const type = header & 15;
    const isBoolean = type === 1 || type === 2;
    for (let k = 0; k < size; k++) element(isBoolean ? 3 : type, depth + 1);
  };
  const struct = (depth: number): void => {
    for (let field = byte(); (field & 15) !== 0; field = byte()) {
      if (field >> 4 === 0) varint();
      element(field & 15, depth + 1);
    }
  };
  /** What a value takes, by the number of its type in Thrift's compact protocol. */
  const values: Readonly<Record<number, (depth: number) => void>> = {
    1: () => {}, // true, which a field's header says
    2: () => {}, // false
    3: () => skip(1), // a byte
    4: varint, // integers of 16 bits,
    5: varint, // of 32,
    6: varint, // of 64
    7: () => skip(8), // a double
    8: () => skip(varint()), // bytes
    9: list,
    12: struct,
  };
  const element = (type: number, depth: number): void => {
    if (depth > maxDepth) throw new Error('its structs are too deep');
    const value = values[type];
    if (value === undefined) throw new Error(`a field is of the unknown type ${type}`);
    value(depth);
  };
  struct(0);
}
