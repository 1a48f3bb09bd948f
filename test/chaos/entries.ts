import { setImmediate as turn } from 'node:timers/promises';
import { addon, type NativeAddon, type NativeEvent, type NativeRun } from '../../src/native/addon.js';
import { settingsOf } from '../../src/options/methods.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { images, tinyJob } from '../native/tiny.js';
import type { Part } from './campaign.js';
import type { Draw } from './draw.js';
import { isKnownCode } from './processes.js';
import { damageArguments, hostile, Thrown } from './values.js';

/** Calls a function, and judges what it throws, at once or later: the first wrong error is the find of the try. */
type Judge = (call: () => unknown) => Promise<void>;
type Any = (...args: unknown[]) => unknown;
const construct = <T>(Class: unknown, args: unknown[]): T => Reflect.construct(Class as typeof Object, args) as T;

/** One function or class of the addon: arguments that work, and how they are used. */
interface Call {
  readonly weight: number;
  readonly args: (draw: Draw) => unknown[];
  readonly use?: (args: unknown[], draw: Draw, judge: Judge) => unknown;
}

const network = { name: 'resnet20', classes: 3, width: 1 / 16 };
const target = { name: 'vgg9_bn', classes: 4, width: 1 / 16 };
const normalisation = imagenetNormalisation;

const benchJob = {
  ...{ method: 'l2t-ww', ...settingsOf('l2t-ww'), precision: 'float32', deterministic: true, engine: 'native' },
  ...{ convolution: 'auto', lr: 0.1, device: 'cpu', threads: 1, target, size: 32, batch: 2 },
  ...{ source: { network, pairs: [[8, 3]] }, sourceSize: 32 },
};

/** A run on images in memory, or on images that it requests when needed. */
function runJob(draw: Draw): Record<string, unknown> {
  const set = (count: number) => {
    const { pixels, ...rest } = images(count);
    return draw.once(2) ? rest : { ...rest, pixels };
  };
  const job = tinyJob({ batch: 2, epochs: 1, saveEvery: draw.pick([0, 1e6]) });
  return { ...job, train: set(6), ...(draw.once(2) && { validation: set(2), test: set(3) }) };
}

const strays: readonly ((run: NativeRun, draw: Draw) => unknown)[] = [
  (run) => run.saved(),
  (run) => run.stop(),
  (run) => run.start(),
  (run, draw) => run.tryRates(draw.pick([[0.1], hostile(draw) as number[], [0.1, hostile(draw) as number]])),
  (run, draw) => run.answer(draw.pick([0, 1, 99, -1, 2 ** 53, Number.NaN]), new Uint8Array(draw.pick([0, 3, 6144]))),
  (run, draw) => run.answer(hostile(draw) as number, hostile(draw) as Uint8Array),
  (run, draw) => (run.saved as Any)(hostile(draw)),
];

/** Calls a run's methods in any order, and still brings the run to its end. */
async function useRun([job, ...rest]: unknown[], draw: Draw, judge: Judge): Promise<void> {
  const pending: Promise<void>[] = [];
  const stray = () => pending.push(judge(() => draw.pick(strays)(run, draw)));
  const often = draw.pick([0, 0, 2, 6]);
  const throwsAt = draw.once(6) ? draw.below(8) : -1;
  let events = 0;
  const onEvent = (event: NativeEvent): void => {
    if (++events > 200) run.stop();
    if (often > 0 && draw.once(often)) stray();
    if (event.type === 'decode') {
      const pixels = new Uint8Array(event.images.length * 32 * 32 * 3);
      judge(() => run.answer(event.ticket, draw.once(12) ? undefined : pixels));
    } else if (event.type !== 'step') draw.once(2) ? setImmediate(() => run.saved()) : run.saved();
    if (events === throwsAt) throw new Thrown('by the callback');
  };
  const run = construct<NativeRun>(addon().Run, [job, job, onEvent, ...rest]);
  if (often > 0) stray();
  // If the changed numbers are valid, the job may be a long one.
  const timer = setTimeout(() => run.stop(), 1500);
  pending.push(judge(() => (draw.once(5) ? run.tryRates([0.1, 0.2]) : run.start())));
  if (draw.once(4)) {
    await turn();
    run.stop();
  }
  await Promise.all(pending);
  clearTimeout(timer);
  if (often > 0) stray();
  await Promise.all(pending);
}

/** Runs inference, which reads memory that JavaScript may take away meanwhile. */
async function useNetwork(args: unknown[], draw: Draw, judge: Judge): Promise<void> {
  const loaded = construct<{ infer: Any }>(addon().Network, args);
  const pending: Promise<void>[] = [];
  for (let calls = draw.pick([1, 1, 3]); calls > 0; calls--) {
    const given: unknown[] = [new Uint8Array(draw.between(1, 3) * 32 * 32 * 3), draw.once(2)];
    if (draw.once(2)) damageArguments(given, draw);
    pending.push(judge(() => loaded.infer(...given)));
  }
  await Promise.all(pending);
}

const networkArgs = () => {
  const weights = addon().initialise(network, 1);
  return [{ network, weights, size: 32, normalisation, device: 'cpu', threads: 1 }];
};
const pairs = ['one-to-one', '8-3', 'single', 'all-to-all'];
const calls: Readonly<Record<string, Call>> = {
  info: { weight: 1, args: () => [] },
  device: { weight: 8, args: () => ['cpu'] },
  backend: { weight: 8, args: () => ['cpu', 'auto', 1] },
  memory: { weight: 1, args: () => [] },
  networks: { weight: 1, args: () => [] },
  describe: { weight: 12, args: () => [network, 32] },
  initialise: { weight: 12, args: () => [network, 1] },
  pairs: { weight: 12, args: (draw) => [network, 32, target, 32, draw.pick(pairs)] },
  resize: { weight: 20, args: () => [new Uint8Array(5 * 7 * 3), 5, 7, 4, 3] },
  measureMachine: { weight: 1, args: () => [1] },
  Bench: {
    weight: 10,
    args: () => [benchJob],
    use: (args) => construct<{ iterate: Any }>(addon().Bench, args).iterate(),
  },
  Network: { weight: 25, args: networkArgs, use: useNetwork },
  Run: { weight: 35, args: (draw) => [runJob(draw)], use: useRun },
};

/** Uses a class or method wrongly: without `new`, on another object, as the base of another class. */
function misuse(args: unknown[], draw: Draw): unknown {
  const { Run, Network, Bench } = addon();
  const Chosen = draw.pick<unknown>([Run, Network, Bench]) as new (...args: unknown[]) => object;
  const { constructor: _, ...methods } = Object.getOwnPropertyDescriptors(Chosen.prototype);
  const method = draw.pick(Object.values<PropertyDescriptor>(methods)).value as Any;
  const other = () => construct<object>(Network, networkArgs());
  const strangers = [undefined, null, {}, 1, Chosen, Chosen.prototype, new Proxy({}, {})];
  return draw.either(
    () => (Chosen as unknown as Any)(...args),
    () => method.call(draw.pick(strangers), ...args),
    () => method.call(Object.create(Chosen.prototype), ...args),
    () => Reflect.construct(Chosen, args, draw.pick([Object, Array, class Other {}, Chosen])),
    () => new (class Other extends Chosen {})(...args),
    () => method.call(draw.pick<unknown>([other(), new Proxy(other(), {})]), ...args),
  );
}

/** Returns what is wrong with a thrown error; undefined for our own errors, and for those that hostile code threw. */
function wrong(error: unknown, isMisuse: boolean): string | undefined {
  const { code, stack, message } = Object(error) as { code?: unknown; stack?: string; message?: string };
  if (error instanceof Thrown || isKnownCode(code)) return undefined;
  // JavaScript itself refuses a wrong `this`, a constructor without `new`, and a revoked proxy.
  if (error instanceof TypeError && (isMisuse || /revoked/.test(message ?? ''))) return undefined;
  return `${code ?? 'no code'}: ${stack ?? String(error)}`;
}

/** The addon is called with wrong arguments, or in a wrong order; as .ci/test-asan.ts does, also its build-asan. */
export const entries: Part = {
  ...{ name: 'entries', module: import.meta.url, perHour: 50_000, patience: 10 },
  open() {
    // Unhandled rejections come from stray calls, which are judged where they are made.
    process.on('unhandledRejection', () => {});
    return async (attempt) => {
      const { draw } = attempt;
      const name = draw.weighted(calls);
      attempt.doing(`${name}: to be changed`);
      // A copy, so that changes stay within this try.
      const args = structuredClone((calls[name] as Call).args(draw));
      // Some calls stay valid: a run's methods in a wrong order are enough.
      const done = draw.once(12) ? ['nothing'] : damageArguments(args, draw);
      const isMisuse = draw.once(25);
      attempt.doing(`${name}: ${isMisuse ? 'misused; ' : ''}${done.join('; ')}`);
      const judge: Judge = async (call) => {
        try {
          await call();
        } catch (error) {
          const problem = wrong(error, isMisuse);
          if (problem !== undefined && attempt.finds.length === 0) attempt.find(problem);
        }
      };
      const { use = () => (addon()[name as keyof NativeAddon] as Any)(...args) } = calls[name] as Call;
      await judge(() => (isMisuse ? misuse(args, draw) : use(args, draw, judge)));
      // Objects that are not referenced any more are collected here, and not in a later try.
      if (draw.once(20)) globalThis.gc?.();
      await turn();
    };
  },
};
