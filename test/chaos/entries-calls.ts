import { setImmediate as turn } from 'node:timers/promises';
import { addon, type NativeAddon, type NativeEvent, type NativeRun } from '../../src/native/addon.js';
import { settingsOf } from '../../src/options/methods.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { images, tinyJob } from '../native/tiny.js';
import type { Draw } from './damage/draw.js';
import { damageArguments, hostile, Thrown } from './damage/values.js';

/** One function or class of the addon: arguments that work, and how they are used. */
export interface Call {
  readonly weight: number;
  readonly args: () => unknown[];
  readonly use: (native: NativeAddon, args: unknown[], draw: Draw) => unknown;
}

const network = { name: 'resnet20', classes: 3, width: 1 / 16 };
const target = { name: 'vgg9_bn', classes: 4, width: 1 / 16 };
const spec = () => ({ ...network });
const normalisation = () => ({ mean: [...imagenetNormalisation.mean], std: [...imagenetNormalisation.std] });

type Any = (...args: unknown[]) => unknown;
const plain = (name: keyof NativeAddon, weight: number, args: () => unknown[]): Call => ({
  weight,
  args,
  use: (native, given) => (native[name] as Any)(...given),
});

type Constructor<T> = new (...args: unknown[]) => T;

function benchJob(): unknown {
  return {
    method: 'l2t-ww',
    ...settingsOf('l2t-ww'),
    precision: 'float32',
    deterministic: true,
    engine: 'native',
    convolution: 'auto',
    lr: 0.1,
    device: 'cpu',
    threads: 1,
    target: { ...target },
    size: 32,
    batch: 2,
    source: { network: spec(), pairs: [[8, 3]] },
    sourceSize: 32,
  };
}

/** A run on images in memory, or on images that it requests when needed. */
function runJob(draw: Draw): Record<string, unknown> {
  const job = tinyJob({ train: images(6), batch: 2, epochs: 1, saveEvery: draw.pick([0, 1e6]) });
  const sources = job.sources.map((source) => ({ ...source, normalisation: normalisation() }));
  const set = (count: number) => {
    const { pixels, ...rest } = images(count);
    return draw.once(2) ? { ...rest } : { ...rest, pixels };
  };
  return {
    ...job,
    sources,
    normalisation: normalisation(),
    train: set(6),
    ...(draw.once(2) && { validation: set(2), test: set(3) }),
  };
}

/** Judges each call by itself; the first wrong failure is the find of the try. */
type Attempt = (call: () => unknown) => void;

const pixelsOf = ({ images: positions }: NativeEvent & { type: 'decode' }): Uint8Array =>
  new Uint8Array(positions.length * 32 * 32 * 3);

const strays: readonly ((run: NativeRun, draw: Draw) => unknown)[] = [
  (run) => run.saved(),
  (run) => run.stop(),
  (run) => run.start(),
  (run, draw) => run.tryRates(draw.once(2) ? [0.1] : (hostile(draw) as number[])),
  (run, draw) => run.tryRates([0.1, hostile(draw) as number]),
  (run, draw) => run.answer(draw.pick([0, 1, 99, -1, 2 ** 53, Number.NaN]), new Uint8Array(draw.pick([0, 3, 6144]))),
  (run, draw) => run.answer(hostile(draw) as number, hostile(draw) as Uint8Array),
  (run, draw) => (run.saved as Any)(hostile(draw)),
];

/** Calls a run's methods in any order, and still brings the run to its end. */
async function useRun(native: NativeAddon, args: unknown[], draw: Draw, attempt: Attempt): Promise<void> {
  const pending: unknown[] = [];
  const stray = () => attempt(() => void pending.push(draw.pick(strays)(run, draw)));
  const often = draw.pick([0, 0, 2, 6]);
  const throwsAt = draw.once(6) ? draw.below(8) : -1;
  let events = 0;
  const [job, ...rest] = args;
  const onEvent = (event: NativeEvent): void => {
    if (++events > 200) run.stop();
    if (often > 0 && draw.once(often)) stray();
    if (event.type === 'decode') attempt(() => run.answer(event.ticket, draw.once(12) ? undefined : pixelsOf(event)));
    else if (event.type !== 'step') draw.once(2) ? setImmediate(() => run.saved()) : run.saved();
    if (events === throwsAt) throw new Thrown('by the callback');
  };
  const run = new (native.Run as unknown as Constructor<NativeRun>)(job, onEvent, ...rest);
  if (often > 0) stray();
  // If the changed numbers are valid, the job may be a long one.
  const timer = setTimeout(() => run.stop(), 1500);
  attempt(() => void pending.push(draw.once(5) ? run.tryRates([0.1, 0.2]) : run.start()));
  if (draw.once(4)) {
    await turn();
    run.stop();
  }
  const settled = await Promise.allSettled(pending);
  clearTimeout(timer);
  for (const outcome of settled)
    if (outcome.status === 'rejected')
      attempt(() => {
        throw outcome.reason;
      });
  if (often > 0) stray();
  await Promise.allSettled(pending);
}

/** Runs inference, which reads memory that JavaScript may take away meanwhile. */
async function useNetwork(native: NativeAddon, args: unknown[], draw: Draw, attempt: Attempt): Promise<void> {
  const loaded = new (native.Network as unknown as Constructor<{ infer: Any }>)(...args);
  const calls = Array.from({ length: draw.pick([1, 1, 3]) }, () => {
    const given: unknown[] = [new Uint8Array(draw.between(1, 3) * 32 * 32 * 3), draw.once(2)];
    if (draw.once(2)) damageArguments(given, draw);
    return given;
  });
  const pending: unknown[] = [];
  for (const given of calls) attempt(() => void pending.push(loaded.infer(...given)));
  for (const outcome of await Promise.allSettled(pending)) {
    if (outcome.status === 'rejected')
      attempt(() => {
        throw outcome.reason;
      });
  }
}

export const calls = (draw: Draw, attempt: Attempt): Readonly<Record<string, Call>> => ({
  info: plain('info', 1, () => []),
  device: plain('device', 8, () => ['cpu']),
  backend: plain('backend', 8, () => ['cpu', 'auto', 1]),
  memory: plain('memory', 1, () => []),
  networks: plain('networks', 1, () => []),
  describe: plain('describe', 12, () => [spec(), 32]),
  initialise: plain('initialise', 12, () => [spec(), 1]),
  pairs: plain('pairs', 12, () => [
    spec(),
    32,
    { ...target },
    32,
    draw.pick(['one-to-one', '8-3', 'single', 'all-to-all']),
  ]),
  resize: plain('resize', 20, () => [new Uint8Array(5 * 7 * 3), 5, 7, 4, 3]),
  measureMachine: plain('measureMachine', 1, () => [1]),
  Bench: {
    weight: 10,
    args: () => [benchJob()],
    use: (native, args) => new (native.Bench as unknown as Constructor<{ iterate: Any }>)(...args).iterate(),
  },
  Network: {
    weight: 25,
    args: () => {
      const weights = addon().initialise(network, 1);
      return [{ network: spec(), weights, size: 32, normalisation: normalisation(), device: 'cpu', threads: 1 }];
    },
    use: (native, args) => useNetwork(native, args, draw, attempt),
  },
  Run: { weight: 35, args: () => [runJob(draw)], use: (native, args) => useRun(native, args, draw, attempt) },
});
