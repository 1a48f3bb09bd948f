import { isUtf8 } from 'node:buffer';
import { invalidWeights } from '../../system/failures.js';
import { quoted } from '../../system/printable.js';
import {
  type Fail,
  isSequence,
  isTuple,
  OpaqueValue,
  OrderedDict,
  PickleFunction,
  type PickleValue,
  pickleGlobals,
} from './pickle-values.js';

// Limits far above any real checkpoint (ResNet-32 with its optimiser: 8,000 opcodes, 1,200 containers). They keep the
// memory for a hostile one, about 200 bytes a container and 50 an opcode, below half a gigabyte.
const mostOpcodes = 4_000_000;
const mostContainers = 1_000_000;
const longestText = 2 ** 24;
const longestInteger = 256;
const longestLine = 512;

interface PickleOptions {
  /** The name of the pickle in messages: the file, and its entry if the file has several. */
  readonly where: string;
  /** Resolves a persistent id. If absent, the opcode BINPERSID is refused. */
  readonly persistentLoad?: (id: PickleValue, fail: Fail) => PickleValue;
}

/**
 * Reads the pickle that begins at `start`. Only the opcodes and globals that PyTorch writes (protocols 2 to 5) are
 * allowed; nothing is ever imported or executed. `end` is the offset after the pickle.
 * @throws L2TError INVALID_WEIGHTS, naming the opcode or global and its offset.
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  options: PickleOptions,
): { value: PickleValue; end: number } {
  return new PickleMachine(bytes, start, options).run();
}

/** The number of items in a container; 0 for anything else. */
const sizeOf = (value: PickleValue): number =>
  value instanceof Map || value instanceof Set ? value.size : isSequence(value) ? value.length : 0;

class PickleMachine {
  readonly #buffer: Buffer;
  /** Offset of the current opcode. */
  #opcodeAt: number;
  #containers = 0;
  readonly #stack: PickleValue[] = [];
  /** The stack's height at each MARK. */
  readonly #marks: number[] = [];
  /** A Map, not an array, so that a high index takes no more memory than a low one. */
  readonly #memo = new Map<number, PickleValue>();

  /** `at`: the offset of the byte to read next. */
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    private readonly options: PickleOptions,
  ) {
    this.#opcodeAt = at;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): { value: PickleValue; end: number } {
    for (let count = 0; count < mostOpcodes; count++) {
      this.#opcodeAt = this.at;
      const code = this.uint(1);
      if (code === STOP) return { value: this.#result(), end: this.at };
      const opcode = opcodes.get(code);
      if (opcode === undefined) this.#refuse(code);
      else opcode(this);
    }
    return this.fail(`there are more than ${mostOpcodes} opcodes`);
  }

  readonly fail: Fail = (problem) => {
    throw invalidWeights(
      `${this.options.where}: ${problem} (pickle offset ${this.#opcodeAt}). ` +
        'Nothing was executed. If you trust the file, save only its state dict, or convert it to safetensors.',
    );
  };

  #result(): PickleValue {
    const value = this.pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) this.fail('values are left over at STOP');
    return value;
  }

  #refuse(code: number): never {
    const hex = `0x${code.toString(16).padStart(2, '0')}`;
    const name = refusedOpcodes.get(hex);
    if (name === 'INST') this.fail(`the opcode INST, which would call ${quoted(this.globalName())}, is not read`);
    return this.fail(name ? `the opcode ${name} is not read` : `the byte ${hex} is no opcode`);
  }

  // Arguments of opcodes.

  take(length: number): Uint8Array {
    const left = this.bytes.length - this.at;
    if (length > left) this.fail(left === 0 ? 'the file ends here' : `${length} bytes should follow, ${left} do`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  uint(size: 1 | 2 | 4): number {
    this.take(size);
    return this.#buffer.readUIntLE(this.at - size, size);
  }

  int32(): number {
    return this.uint(4) | 0;
  }

  /** A length stored in 8 bytes. Inexact above 2^53, but such a length is refused anyway. */
  length8(): number {
    this.take(8);
    return Number(this.#buffer.readBigUInt64LE(this.at - 8));
  }

  float(): number {
    this.take(8);
    return this.#buffer.readDoubleBE(this.at - 8);
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

  // The stack.

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.fail('the stack is empty');
    return this.#stack.pop() as PickleValue;
  }

  /** The value on top of the stack, which stays there. */
  top(): PickleValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** All values since the last MARK. */
  popMark(): PickleValue[] {
    return this.#stack.splice(this.#marks.pop() ?? this.fail('there is no MARK'));
  }

  /** The last `count` values, in the order in which they were pushed. */
  popLast(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  /**
   * Pushes a container. The entries of a Map or Set count against the limit, too: otherwise a hostile file could copy
   * one large container again and again.
   */
  pushContainer(value: PickleValue): void {
    this.#count(value instanceof Map || value instanceof Set ? 1 + value.size : 1);
    this.push(value);
  }

  #count(objects: number): void {
    this.#containers += objects;
    if (this.#containers > mostContainers) this.fail(`there are more than ${mostContainers} objects`);
  }

  put(index: number): void {
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.fail(`nothing is remembered under ${index}`);
    else this.push(value);
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list) || isTuple(list)) this.fail('items are added to what is no list');
    const items = list as PickleValue[];
    for (const value of values) items.push(value);
  }

  setItems(values: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) this.fail('items are set in what is no dict');
    if (values.length % 2 !== 0) this.fail('a dict has a key without a value');
    for (let i = 0; i < values.length; i += 2) dict.set(values[i] as PickleValue, values[i + 1] as PickleValue);
  }

  addItems(values: readonly PickleValue[]): void {
    const set = this.top();
    if (!(set instanceof Set)) this.fail('items are added to what is no set');
    for (const value of values) set.add(value);
  }

  global(name: string): void {
    const refuse = () => this.fail(`it asks for the Python object ${quoted(name)}, which is not one that is read`);
    this.push(pickleGlobals.get(name) ?? refuse());
  }

  stackGlobal(): void {
    const [module, name] = this.popLast(2);
    if (typeof module !== 'string' || typeof name !== 'string') this.fail('the name of a global is no text');
    this.global(`${module}.${name}`);
  }

  reduce(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof PickleFunction)) this.fail('REDUCE applies what is no function');
    if (!isTuple(args)) this.fail(`REDUCE applies ${callee.name} to what is no tuple`);
    // A function's arguments count, too: the result of many equal items is small.
    for (const argument of args) this.#count(sizeOf(argument));
    this.pushContainer(callee.apply(args, this.fail));
  }

  /** Ignores attributes, such as `_metadata` of a state dict or the layout of a NumPy dtype: none is needed here. */
  build(): void {
    this.pop();
    const object = this.top();
    if (!(object instanceof OrderedDict || object instanceof OpaqueValue)) {
      this.fail('BUILD gives attributes to what may have none');
    }
  }

  persistent(): void {
    const { persistentLoad } = this.options;
    if (persistentLoad === undefined) this.fail('the opcode BINPERSID has no meaning here');
    this.pushContainer(persistentLoad(this.pop(), this.fail));
  }

  protocol(): void {
    const version = this.uint(1);
    if (version < 2 || version > 5) this.fail(`pickle protocol ${version} is not read, only 2 to 5`);
  }
}

const tuple = (items: PickleValue[]): PickleValue => Object.freeze(items);

const STOP = 0x2e;

/** Every allowed opcode, by its code. The names are those of Python's pickletools. */
const opcodes = new Map<number, (machine: PickleMachine) => void>([
  [0x80, (m) => m.protocol()], // PROTO
  [0x95, (m) => void m.length8()], // FRAME: a hint for buffering
  [0x28, (m) => m.mark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.uint(1))], // BININT1
  [0x4d, (m) => m.push(m.uint(2))], // BININT2
  [0x8a, (m) => m.push(m.integer(m.uint(1)))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.int32()))], // LONG4
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  [0x8c, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.text(m.uint(4)))], // BINUNICODE
  [0x8d, (m) => m.push(m.text(m.length8()))], // BINUNICODE8
  [0x55, (m) => m.push(m.byteText(m.uint(1)))], // SHORT_BINSTRING
  [0x54, (m) => m.push(m.byteText(m.int32()))], // BINSTRING
  [0x43, (m) => m.push(m.take(m.uint(1)))], // SHORT_BINBYTES
  [0x42, (m) => m.push(m.take(m.uint(4)))], // BINBYTES
  [0x8e, (m) => m.push(m.take(m.length8()))], // BINBYTES8
  [0x96, (m) => m.push(m.take(m.length8()))], // BYTEARRAY8
  [0x5d, (m) => m.pushContainer([])], // EMPTY_LIST
  [0x61, (m) => m.append(m.popLast(1))], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x29, (m) => m.pushContainer(tuple([]))], // EMPTY_TUPLE
  [0x85, (m) => m.pushContainer(tuple(m.popLast(1)))], // TUPLE1
  [0x86, (m) => m.pushContainer(tuple(m.popLast(2)))], // TUPLE2
  [0x87, (m) => m.pushContainer(tuple(m.popLast(3)))], // TUPLE3
  [0x74, (m) => m.pushContainer(tuple(m.popMark()))], // TUPLE
  [0x7d, (m) => m.pushContainer(new Map())], // EMPTY_DICT
  [0x73, (m) => m.setItems(m.popLast(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  [0x8f, (m) => m.pushContainer(new Set())], // EMPTY_SET
  [0x90, (m) => m.addItems(m.popMark())], // ADDITEMS
  [0x91, (m) => m.pushContainer(new Set(m.popMark()))], // FROZENSET
  [0x68, (m) => m.get(m.uint(1))], // BINGET
  [0x6a, (m) => m.get(m.uint(4))], // LONG_BINGET
  [0x71, (m) => m.put(m.uint(1))], // BINPUT
  [0x72, (m) => m.put(m.uint(4))], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x63, (m) => m.global(m.globalName())], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x52, (m) => m.reduce()], // REDUCE
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.persistent()], // BINPERSID
]);

/** Python's other opcodes, each after its code, so that error messages can name them. */
const refusedOpcodes = new Map(
  (
    '0x30 POP, 0x31 POP_MARK, 0x32 DUP, 0x46 FLOAT, 0x49 INT, 0x4c LONG, 0x50 PERSID, 0x53 STRING, 0x56 UNICODE, ' +
    '0x64 DICT, 0x67 GET, 0x69 INST, 0x6c LIST, 0x6f OBJ, 0x70 PUT, 0x81 NEWOBJ, 0x82 EXT1, 0x83 EXT2, 0x84 EXT4, ' +
    '0x92 NEWOBJ_EX, 0x97 NEXT_BUFFER, 0x98 READONLY_BUFFER'
  )
    .split(', ')
    .map((each) => each.split(' ') as [code: string, name: string]),
);
