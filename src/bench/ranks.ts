import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';
import { addon, type GroupConfig } from '../native/addon.js';
import { freePort, loopback } from '../system/free-port.js';
import { type BenchCaseName, type BenchSettings, benchCases } from './cases.js';

/** What one rank measured. */
export interface RankTiming {
  /** Of the fastest iteration. */
  readonly seconds: number;
  /** Exchanges with the other ranks in an iteration. */
  readonly calls: number;
  /** Bytes of what it gave to them. */
  readonly bytes: number;
}

/** An iteration by one process, and by several that share its batch. Seconds are those of the fastest iteration. */
export interface RanksResult {
  readonly case: BenchCaseName;
  /** Images of the whole batch. */
  readonly batch: number;
  readonly ranks: number;
  /** Of each rank. */
  readonly threads: number;
  readonly rounds: number;
  /** One process with the threads of all ranks. */
  readonly together: number;
  /** The ranks, each with its share of the batch. */
  readonly shared: number;
  /** One process with one rank's threads and the whole batch. */
  readonly whole: number;
  /** One process with one rank's threads and one rank's share of the batch: the ranks' computation without exchanges. */
  readonly share: number;
  /** shared ÷ together. */
  readonly ratio: number;
  /** What each rank computes that others compute, too: share − whole ÷ ranks, seconds. */
  readonly repeated: number;
  /** Exchanges, with the waits for other ranks: shared − share, seconds. */
  readonly exchanges: number;
  /** Exchanges of an iteration. */
  readonly calls: number;
  /** Bytes that a rank gives to them. */
  readonly bytes: number;
}

export interface RanksOptions extends Omit<BenchSettings, 'device' | 'threads'> {
  readonly ranks: number;
  /** Of each rank. */
  readonly threads: number;
  readonly rounds: number;
  readonly onTurn?: (turn: number, turns: number) => void;
}

/** Turns of the four timings: other load on the machine affects all of them. */
const turns = 3;

/**
 * Times the native engine on the CPU, in one process and in several of this host, which take turns.
 * @throws L2TError DEVICE_UNAVAILABLE where this build cannot join processes; INVALID_OPTION for a batch that ranks
 * cannot share equally.
 */
export async function benchRanks(name: BenchCaseName, options: RanksOptions): Promise<RanksResult> {
  if (!addon().groups()) throw new L2TError('DEVICE_UNAVAILABLE', 'This build computes in one process only.');
  const { ranks, threads, rounds, convolution, innerSteps, onTurn } = options;
  const batch = options.batch ?? benchCases[name].batch;
  if (batch % ranks !== 0) {
    throw new L2TError(
      'INVALID_OPTION',
      `${ranks} ranks cannot share a batch of ${batch} equally: give a {batch} that ${ranks} divides.`,
    );
  }
  const settings = { device: 'cpu', convolution, innerSteps };
  const job = (count: number, images: number) => ({
    name,
    settings: { ...settings, threads: count, batch: images },
    rounds,
  });
  const best = { together: 1 / 0, shared: 1 / 0, whole: 1 / 0, share: 1 / 0 };
  let sent = { calls: 0, bytes: 0 };
  for (let turn = 1; turn <= turns; turn++) {
    onTurn?.(turn, turns);
    const shared = await inRanks(ranks, job(threads, batch));
    sent = shared;
    best.shared = Math.min(best.shared, shared.seconds);
    best.together = Math.min(best.together, (await output(start(job(threads * ranks, batch)))).seconds);
    best.whole = Math.min(best.whole, (await output(start(job(threads, batch)))).seconds);
    best.share = Math.min(best.share, (await output(start(job(threads, batch / ranks)))).seconds);
  }
  return {
    case: name,
    ...{ batch, ranks, threads, rounds },
    ...best,
    ratio: best.shared / best.together,
    repeated: best.share - best.whole / ranks,
    exchanges: best.shared - best.share,
    calls: sent.calls,
    bytes: sent.bytes,
  };
}

/** Seconds that a rank waits for another. */
const timeout = 300;

/** The timing of the slowest of `size` processes of this host. */
async function inRanks(size: number, job: object): Promise<RankTiming> {
  const port = await freePort();
  const children = Array.from({ length: size }, (_, rank) => {
    const config: GroupConfig = { rank, size, host: loopback, port, timeout };
    return start({ ...job, config });
  });
  try {
    const timings = await Promise.all(children.map(output));
    return timings.reduce((slowest, timing) => (timing.seconds > slowest.seconds ? timing : slowest));
  } finally {
    for (const child of children) child.kill();
  }
}

function start(job: object): ChildProcess {
  // The compiled file, or the source under a TypeScript loader, whose flags the child takes over.
  const script = fileURLToPath(new URL(`./rank${extname(import.meta.url)}`, import.meta.url));
  return spawn(process.execPath, [...process.execArgv, script, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function output(child: ChildProcess): Promise<RankTiming> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new L2TError('INTERNAL', 'A process of the measurement failed; its message is above.');
  return JSON.parse(text) as RankTiming;
}
