import { types } from 'node:util';
import { type Draw, hostileTexts } from './draw.js';

/** The error that hostile code throws; the addon may throw it on as it is. */
export class Thrown extends Error {
  override readonly name = 'Thrown';
}

const thrower = (): never => {
  throw new Thrown('by hostile code');
};

/** No large whole number that is a valid size for a job: that job would be legitimate, and take all memory. */
const numbers = [
  ...[
    0,
    -0,
    1,
    -1,
    2,
    0.5,
    1.5,
    1e-320,
    1e30,
    1e31,
    1e300,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ],
  ...[
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    2 ** 53 + 2,
    2 ** 63,
    2 ** 64,
    -(2 ** 31),
    -(2 ** 63),
    1_000_001,
  ],
];

/** Detaches the view's buffer. */
function detached<T extends ArrayBufferView>(view: T): T {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

/** A resizable buffer. Node 20 has them; the types of ES2023 do not. */
const resizable = (length: number, most: number): ArrayBuffer =>
  new (ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer)(length, { maxByteLength: most });

const kinds = [
  ...[Uint8Array, Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array],
  ...[Float64Array, BigInt64Array, BigUint64Array],
] as const;

/** A value like `view` except for one thing: its type, its length, its buffer or its content. */
function otherView(view: ArrayBufferView, draw: Draw): unknown {
  if (view.byteLength === 0) return new Uint8Array(draw.below(100));
  const { byteLength } = view;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, byteLength);
  const copy = (to: ArrayBufferLike): Uint8Array => {
    const target = new Uint8Array(to);
    target.set(bytes.subarray(0, target.length));
    return target;
  };
  const Same = (Buffer.isBuffer(view) ? Uint8Array : view.constructor) as unknown as new (
    buffer: ArrayBufferLike,
    at?: number,
    length?: number,
  ) => ArrayBufferView;
  const size = (view as Uint8Array).BYTES_PER_ELEMENT ?? 1;
  const kind = draw.below(11);
  if (kind === 0)
    return new (draw.pick(kinds) as unknown as typeof Same)(
      copy(new ArrayBuffer(8 * Math.ceil(byteLength / 8))).buffer,
    );
  if (kind === 1) return new Same(new ArrayBuffer(size * Math.max(0, byteLength / size + draw.pick([-1, 1, 1000]))));
  if (kind === 2) return new Same(copy(new SharedArrayBuffer(byteLength)).buffer);
  if (kind === 3) return new Same(copy(resizable(byteLength, 2 * byteLength)).buffer);
  if (kind === 4) {
    const buffer = resizable(byteLength, 2 * byteLength);
    const tracking = new Same(copy(buffer).buffer);
    (buffer as unknown as { resize(length: number): void }).resize(size * Math.floor(byteLength / size / 2));
    return tracking;
  }
  if (kind === 5) return detached(new Same(copy(new ArrayBuffer(byteLength)).buffer));
  if (kind === 6) return new DataView(view.buffer, view.byteOffset, byteLength);
  if (kind === 7) return Buffer.from(bytes);
  if (kind === 8) return new Same(new ArrayBuffer(0));
  if (kind === 9) return Array.from(bytes.subarray(0, 5000));
  // Other content: out of range if it stands for labels.
  const noise = new Uint8Array(byteLength);
  for (let at = 0; at < noise.length; at += 1 + draw.below(8)) noise[at] = draw.pick([0, 1, 127, 128, 255]);
  return new Same(noise.buffer);
}

function sparse(draw: Draw): unknown[] {
  const list: unknown[] = [];
  list.length = draw.pick([1, 5, 2 ** 20, 2 ** 32 - 1]);
  return list;
}

/** Any value. */
export function hostile(draw: Draw): unknown {
  const makers: readonly (() => unknown)[] = [
    ...[() => undefined, () => null, () => true, () => false, () => draw.pick(numbers), () => draw.pick(numbers)],
    ...[
      () => draw.pick([0n, -1n, 2n ** 64n]),
      () => Symbol('s'),
      () => draw.pick(hostileTexts),
      () => draw.pick(hostileTexts),
    ],
    ...[() => '\ud800', () => 'x'.repeat(2 ** 20), () => () => 1, () => thrower, () => class {}, () => ({}), () => []],
    ...[() => sparse(draw), () => new Date(Number.NaN), () => /x/, () => new Map([['a', 1]]), () => Promise.resolve(1)],
    ...[() => Promise.reject(new Thrown('later')).catch(() => 1), () => new Error('value'), () => Object.create(null)],
    ...[() => new Number(3), () => new String('cpu'), () => new Uint8Array(draw.below(100)), () => new ArrayBuffer(8)],
    ...[
      () => new Proxy({}, { get: thrower }),
      () => new Proxy([], { get: thrower }),
      () => revoked(),
      () => globalThis,
    ],
    ...[
      () => ({ toString: thrower, valueOf: thrower }),
      () => ({ [Symbol.toPrimitive]: thrower }),
      () => detached(new Uint8Array(48)),
    ],
  ];
  return draw.pick(makers)();
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

type Holder = Record<string, unknown>;
interface Place {
  readonly holder: Holder;
  readonly key: string;
}

/** Every property below a list of arguments, except the elements of views. */
function placesOf(root: unknown, found: Place[] = [], depth = 0): Place[] {
  // Skips values of an earlier change, such as a proxy or the global object.
  if (typeof root !== 'object' || root === null || types.isProxy(root) || depth > 8) return found;
  if (![Object.prototype, Array.prototype].includes(Object.getPrototypeOf(root))) return found;
  const keys = Object.keys(root);
  // A few of many: a network's weights are a hundred similar objects.
  for (const key of keys.length > 24 ? [...keys.slice(0, 4), ...keys.slice(-2)] : keys) {
    found.push({ holder: root as Holder, key });
    const { value } = Object.getOwnPropertyDescriptor(root, key) ?? {};
    placesOf(value, found, depth + 1);
  }
  return found;
}

/** Changes one or two places of valid arguments; returns a few words on each. */
export function damageArguments(args: unknown[], draw: Draw): string[] {
  return Array.from({ length: draw.pick([1, 1, 2]) }, () => {
    const places = placesOf(args);
    if (places.length === 0 || draw.once(12)) {
      args.push(hostile(draw));
      return 'one more';
    }
    if (draw.once(12)) {
      args.length -= 1;
      return 'one less';
    }
    const { holder, key } = draw.pick(places);
    return `${key}: ${damagePlace(holder, key, draw)}`;
  });
}

function damagePlace(holder: Holder, key: string, draw: Draw): string {
  // Also replaces a getter that an earlier change put there.
  const put = (to: unknown) =>
    Object.defineProperty(holder, key, { value: to, writable: true, enumerable: true, configurable: true });
  const { value } = Object.getOwnPropertyDescriptor(holder, key) ?? {};
  if (ArrayBuffer.isView(value) && !draw.once(4)) {
    put(otherView(value, draw));
    return 'another view';
  }
  const kind = draw.below(10);
  if (kind === 0) {
    delete holder[key];
    return 'deleted';
  }
  const define = (get: () => unknown) =>
    Object.defineProperty(holder, key, { get, enumerable: true, configurable: true });
  if (kind === 1) {
    const other = hostile(draw);
    let reads = 0;
    define(() => (reads++ === 0 ? value : other));
    return 'another at each read';
  }
  if (kind === 2) {
    define(thrower);
    return 'thrown at';
  }
  if (kind === 3 && typeof value === 'object' && value !== null) {
    let calls = 0;
    const late = draw.below(8);
    const get = (target: object, name: string | symbol) => (calls++ >= late ? thrower() : Reflect.get(target, name));
    put(new Proxy(value, draw.once(2) ? {} : { get }));
    return 'a proxy';
  }
  if (kind === 4 && !types.isProxy(value) && Array.isArray(value) && value.length > 0) {
    const full = 2 ** 32 - 1;
    // An earlier change of this try may have given it the largest length of an array.
    if (value.length < full && draw.once(2))
      value.push(Object.getOwnPropertyDescriptor(value, draw.below(value.length))?.value);
    else value.length = draw.pick([0, value.length - 1, Math.min(value.length + 5, full), full]);
    return 'another length';
  }
  const neighbour = Object.getOwnPropertyDescriptor(holder, draw.pick(Object.keys(holder)))?.value;
  // A neighbour's number may be valid here, such as 1000 threads, and make a long job.
  if (kind === 5 && typeof neighbour !== 'number') {
    put(neighbour);
    return "a neighbour's value";
  }
  const other = hostile(draw);
  put(other);
  if (types.isProxy(other)) return 'another proxy';
  return typeof other === 'object' || typeof other === 'function'
    ? Object.prototype.toString.call(other)
    : String(other).slice(0, 40);
}
