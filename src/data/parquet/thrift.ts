/** Thrift's compact protocol: the types of a field. */
const types = {
  stop: 0,
  true: 1,
  false: 2,
  byte: 3,
  int16: 4,
  int32: 5,
  int64: 6,
  double: 7,
  bytes: 8,
  list: 9,
  struct: 12,
};

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
    const type = header & 15;
    // Each element takes a byte at least.
    if (size > view.byteLength - at) throw new Error(`a list of ${size} is announced`);
    for (let k = 0; k < size; k++) element(type === types.true || type === types.false ? types.byte : type, depth + 1);
  };
  const element = (type: number, depth: number): void => {
    if (depth > maxDepth) throw new Error('its structs are too deep');
    if (type === types.true || type === types.false) return;
    if (type === types.byte) skip(1);
    else if (type === types.int16 || type === types.int32 || type === types.int64) varint();
    else if (type === types.double) skip(8);
    else if (type === types.bytes) skip(varint());
    else if (type === types.list) list(depth);
    else if (type === types.struct) struct(depth);
    else throw new Error(`a field is of the unknown type ${type}`);
  };
  const struct = (depth: number): void => {
    for (let field = byte(); (field & 15) !== types.stop; field = byte()) {
      if (field >> 4 === 0) varint();
      element(field & 15, depth + 1);
    }
  };
  struct(0);
}
