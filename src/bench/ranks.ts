import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { invalidOption } from '../system/failures.js';
import { freePort, loopback } from '../system/free-port.js';
import type { RankJob, RankTiming } from './alone.js';
import { type BenchCaseName, type BenchSettings, benchCases } from './cases.js';
import { inOwnProcess } from './process.js';

/** An iteration by one process, and by several that share its batch. Seconds are those of the fastest iteration. */
export type RanksResult = Awaited<ReturnType<typeof benchRanks>>;

/** `threads`: of each rank. */
export interface RanksOptions extends Omit<BenchSettings, 'device'> {
  readonly ranks: number;
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
export async function benchRanks(name: BenchCaseName, options: RanksOptions) {
  if (!addon().groups()) throw new L2TError('DEVICE_UNAVAILABLE', 'This build computes in one process only.');
  const { ranks, threads, rounds, convolution, innerSteps, onTurn } = options;
  const batch = options.batch ?? benchCases[name].batch;
  if (batch % ranks !== 0) {
    throw invalidOption(
      `${ranks} ranks cannot share a batch of ${batch} equally: give a {batch} that ${ranks} divides.`,
    );
  }
  const job = (threads: number, images: number): RankJob => ({
    name,
    settings: { device: 'cpu', convolution, innerSteps, threads, batch: images },
    rounds,
  });
  const alone = {
    together: job(threads * ranks, batch),
    whole: job(threads, batch),
    share: job(threads, batch / ranks),
  };
  const best = {
    /** The ranks, each with its share of the batch. */
    shared: Number.POSITIVE_INFINITY,
    /** One process with the threads of all ranks. */
    together: Number.POSITIVE_INFINITY,
    /** One process with one rank's threads and the whole batch. */
    whole: Number.POSITIVE_INFINITY,
    /** One process with one rank's threads and one rank's share of the batch: the ranks' computation without exchanges. */
    share: Number.POSITIVE_INFINITY,
  };
  let sent = { calls: 0, bytes: 0 };
  for (let turn = 1; turn <= turns; turn++) {
    onTurn?.(turn, turns);
    const { seconds, ...traffic } = await inRanks(ranks, job(threads, batch));
    best.shared = Math.min(best.shared, seconds);
    sent = traffic;
    for (const what of ['together', 'whole', 'share'] as const) {
      best[what] = Math.min(best[what], (await inOwnProcess('rank', alone[what])).seconds);
    }
  }
  return {
    case: name,
    /** Images of the whole batch. */
    batch,
    ranks,
    /** Of each rank. */
    threads,
    rounds,
    ...best,
    ratio: best.shared / best.together,
    /** What each rank computes that others compute, too, seconds. */
    repeated: best.share - best.whole / ranks,
    /** Exchanges, with the waits for other ranks, seconds. */
    exchanges: best.shared - best.share,
    ...sent,
  };
}

/** Seconds that a rank waits for another. */
const timeout = 300;

/** The timing of the slowest of `size` processes of this host. If one fails, the others end. */
async function inRanks(size: number, job: RankJob): Promise<RankTiming> {
  const port = await freePort();
  const controller = new AbortController();
  const timings = Array.from({ length: size }, (_, rank) =>
    inOwnProcess('rank', { ...job, config: { rank, size, host: loopback, port, timeout } }, controller.signal),
  );
  try {
    return (await Promise.all(timings)).reduce((slowest, timing) =>
      timing.seconds > slowest.seconds ? timing : slowest,
    );
  } finally {
    controller.abort();
  }
}
