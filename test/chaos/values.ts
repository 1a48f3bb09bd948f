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
  ...'0 -0 1 -1 2 0.5 1.5 1e-320 1e30 1e31 1e300 NaN Infinity -Infinity 1000001'.split(' ').map(Number),
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, -(2 ** 31), -(2 ** 63)],
];

export function detached<T extends ArrayBufferView>(view: T): T {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const sparse = (length: number): unknown[] => Object.assign([], { length });

export const hostile = (draw: Draw): unknown =>
  draw.pick(
    draw.pick<readonly unknown[]>([
      [undefined, null, true, false, {}, [], Object.create(null), globalThis, Symbol('s'), 0n, -1n, 2n ** 64n],
      [draw.pick(numbers)],
      [...hostileTexts, '\ud800', 'x'.repeat(2 ** 20)],
      [() => 1, thrower, class {}, new Date(Number.NaN), /x/, new Map([['a', 1]]), new Error('value')],
      [new Number(3), new String('cpu'), Promise.resolve(1), Promise.reject(new Thrown('later')).catch(() => 1)],
      [new Uint8Array(draw.below(100)), new ArrayBuffer(8), detached(new Uint8Array(48))],
      [sparse(1), sparse(5), sparse(2 ** 20), sparse(2 ** 32 - 1)],
      [new Proxy({}, { get: thrower }), new Proxy([], { get: thrower }), revoked()],
      [{ toString: thrower, valueOf: thrower }, { [Symbol.toPrimitive]: thrower }],
    ]),
  );

const views = [
  ...[Uint8Array, Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array],
  ...[Float64Array, BigInt64Array, BigUint64Array],
];

/** A value like `view` except for one thing: its type, its length, its buffer or its content. */
function otherView(view: ArrayBufferView, draw: Draw): unknown {
  const { buffer, byteOffset, byteLength } = view;
  if (byteLength === 0) return new Uint8Array(draw.below(100));
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const size = (view as Uint8Array).BYTES_PER_ELEMENT ?? 1;
  const Same = Buffer.isBuffer(view) ? Uint8Array : view.constructor;
  const over = (to: ArrayBufferLike, View: unknown = Same): ArrayBufferView =>
    Reflect.construct(View as typeof Uint8Array, [to]);
  const copy = <T extends ArrayBufferLike>(to: T): T => {
    new Uint8Array(to).set(bytes.subarray(0, to.byteLength));
    return to;
  };
  // Node 20 has resizable buffers; the types of ES2023 do not.
  const resizable = (): ArrayBuffer & { resize(length: number): void } =>
    copy(Reflect.construct(ArrayBuffer, [byteLength, { maxByteLength: 2 * byteLength }]));
  return draw.either<unknown>(
    () => over(copy(new ArrayBuffer(8 * Math.ceil(byteLength / 8))), draw.pick<unknown>(views)),
    () => over(new ArrayBuffer(size * Math.max(0, byteLength / size + draw.pick([-1, 1, 1000])))),
    () => over(new ArrayBuffer(0)),
    () => over(copy(new SharedArrayBuffer(byteLength))),
    () => {
      const resized = resizable();
      const tracking = over(resized);
      if (draw.once(2)) resized.resize(size * Math.floor(byteLength / size / 2));
      return tracking;
    },
    () => detached(over(copy(new ArrayBuffer(byteLength)))),
    () => new DataView(buffer, byteOffset, byteLength),
    () => Buffer.from(bytes),
    () => Array.from(bytes.subarray(0, 5000)),
    // Other content: out of range if it stands for labels.
    () => over(new Uint8Array(byteLength).fill(draw.pick([1, 127, 128, 255]), draw.below(byteLength)).buffer),
  );
}

type Place = readonly [holder: Record<string, unknown>, key: string];
const valueAt = ([holder, key]: Place): unknown => Object.getOwnPropertyDescriptor(holder, key)?.value;

/** Every property below a list of arguments, except the elements of views. */
function placesOf(root: unknown, depth = 0): Place[] {
  // Skips values of an earlier change, such as a proxy or the global object.
  if (typeof root !== 'object' || root === null || types.isProxy(root) || depth > 8) return [];
  if (![Object.prototype, Array.prototype].includes(Object.getPrototypeOf(root))) return [];
  const keys = Object.keys(root);
  // A few of many: a network's weights are a hundred similar objects.
  const few = keys.length > 24 ? [...keys.slice(0, 4), ...keys.slice(-2)] : keys;
  return few.flatMap((key) => {
    const place: Place = [root as Record<string, unknown>, key];
    return [place, ...placesOf(valueAt(place), depth + 1)];
  });
}

/** Changes one or two places of valid arguments; returns a few words on each. */
export function damageArguments(args: unknown[], draw: Draw): string[] {
  return Array.from({ length: draw.pick([1, 1, 2]) }, () => {
    const places = placesOf(args);
    if (places.length === 0 || draw.once(12)) return `one more of ${args.push(hostile(draw))}`;
    if (draw.once(12)) {
      args.length -= 1;
      return 'one less';
    }
    const place = draw.pick(places);
    return `${place[1]}: ${damagePlace(place, draw)}`;
  });
}

function damagePlace(place: Place, draw: Draw): string {
  const [holder, key] = place;
  const value = valueAt(place);
  // Also replaces a getter that an earlier change put there.
  const define = (what: PropertyDescriptor) =>
    Object.defineProperty(holder, key, { enumerable: true, configurable: true, ...what });
  const put = (to: unknown) => define({ value: to, writable: true });
  const [other, late, full] = [hostile(draw), draw.below(8), 2 ** 32 - 1];
  const neighbour = valueAt([holder, draw.pick(Object.keys(holder))]);
  let reads = 0;
  const failing = (target: object, name: string | symbol) => (reads++ >= late ? thrower() : Reflect.get(target, name));
  const list = !types.isProxy(value) && Array.isArray(value) && value.length > 0 ? value : undefined;
  const ways: Record<string, () => unknown> = {
    'another value': () => put(other),
    deleted: () => delete holder[key],
    'another at each read': () => define({ get: () => (reads++ === 0 ? value : other) }),
    'thrown at': () => define({ get: thrower }),
    // A neighbour's number may be valid here, such as 1000 threads, and make a long job.
    "a neighbour's value": () => put(typeof neighbour === 'number' ? other : neighbour),
  };
  if (typeof value === 'object' && value !== null)
    ways['a proxy'] = () => put(new Proxy(value, draw.pick([{}, { get: failing }])));
  if (list) {
    // An earlier change may have given it the largest length of an array.
    const longer = () => list.length < full && list.push(valueAt([list as never, `${draw.below(list.length)}`]));
    const length = draw.pick([0, list.length - 1, Math.min(list.length + 5, full), full]);
    ways['another length'] = () => draw.either<unknown>(longer, () => Object.assign(list, { length }));
  }
  if (ArrayBuffer.isView(value) && !draw.once(4)) {
    put(otherView(value, draw));
    return 'another view';
  }
  const way = draw.pick(Object.keys(ways));
  ways[way]?.();
  return way;
}
