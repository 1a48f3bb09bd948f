import * as z from 'zod';
import { finetuneEpochs } from '../options/methods.js';
import { largeSize } from '../options/networks.js';
import { stepsPerEpoch, triedRates } from '../run/learning-rate.js';
import { largest, sum } from '../system/statistics.js';

export const workSchema = z.object({
  /** Seconds of the step. */
  seconds: z.number(),
  /** Its images. */
  batch: z.int(),
  /** Their side, pixels. */
  size: z.int(),
});

/** A training step: its seconds, its images, and their side in pixels. */
export type Work = Readonly<z.output<typeof workSchema>>;

export const imagesSchema = z.object({
  /** Training images. */
  train: z.int(),
  /** Validation images. */
  validation: z.int(),
  /** Test images. */
  test: z.int(),
  /** Seconds to read one. */
  secondsPerImage: z.number(),
});

/** Numbers of images, and how long one takes to be read. */
export type Images = Readonly<z.output<typeof imagesSchema>>;

/** Seconds of a run besides its epochs, and of an epoch. */
interface Cost {
  readonly once: number;
  readonly epoch: number;
}

export const scheduleSchema = z.object({
  /** Epochs of the source's fine-tuning. */
  source: z.int(),
  /** The race among candidates, and their teacher; 0 candidates: there is no race. */
  race: z.object({
    /** Number of candidates. */
    candidates: z.int(),
    /** Epochs of the first round. */
    epochs: z.int(),
    /** Epochs of their teacher's fine-tuning. */
    teacher: z.int(),
  }),
  /** For each candidate, if it wins: its last training, and the same from scratch. */
  last: z
    .array(
      z.object({
        /** Epochs of its last training. */
        student: z.int(),
        /** Epochs from scratch; 0: it is left out. */
        scratch: z.int(),
      }),
    )
    .readonly(),
  /** Seconds of all stages by this estimate, with the slowest candidate as the winner. */
  seconds: z.number(),
});

/** The epochs of each stage, known before anything is trained. */
export type Schedule = Readonly<z.output<typeof scheduleSchema>>;

/** Maximum number of epochs of the winner's training, which is also the default of transfer. */
const maxEpochs = 200;
/**
 * Minimum epochs of a race's first round, and maximum of its last. With fewer, chance would decide: on 400 images of ten
 * classes VGG-9 and MobileNet-V2 had 19 and 18 % after 7 epochs, 50 and 21 % after 28.
 */
const [minRaceEpochs, maxLastEpochs] = [5, 40];
const rounds = 3;
/** Parts of the whole time: the source where a smaller network follows; the race; the same from scratch; a reserve. */
const shares = { source: 1 / 4, race: 1 / 4, scratch: 1 / 5, reserve: 1 / 20 };
/** Seconds to begin a run, and to write its report. */
const overhead = 1;

/** Returns a run's cost. A forward pass is about a third of a step. Test images are seen once more for the report. */
export function costOf({ seconds, batch, size }: Work, images: Images, tests = 2): Cost {
  const forward = seconds / batch / 3;
  const { train, validation, test, secondsPerImage } = images;
  const trained = train + validation;
  const streamed = size >= largeSize;
  return {
    once:
      overhead +
      triedRates.length * seconds +
      tests * test * forward +
      ((streamed ? 0 : trained) + test) * secondsPerImage,
    epoch: stepsPerEpoch(train, batch) * seconds + validation * forward + (streamed ? trained : 0) * secondsPerImage,
  };
}

/** Returns the number of epochs that fit into this time, from `min` to `max`. */
const epochsIn = (seconds: number, { once, epoch }: Cost, min: number, max: number): number =>
  Math.max(min, Math.min(max, Math.floor((seconds - once) / epoch)));

const secondsOf = ({ once, epoch }: Cost, epochs: number): number => (epochs === 0 ? 0 : once + epochs * epoch);

/** Minimum number of epochs: with fewer, a network is hardly trained. */
export const minEpochs = 20;

/** Checks whether half of the time is enough for the minimum number of epochs. */
export const isTrainable = (work: Work, images: Images, time: number): boolean =>
  secondsOf(costOf(work, images), minEpochs) <= time / 2;

/** Returns the number of candidates in each round: all, then the better half. One needs no further round. */
export function racing(candidates: number): number[] {
  const counts: number[] = [];
  for (let count = candidates; count > 1 && counts.length < rounds; count = Math.ceil(count / 2)) counts.push(count);
  return counts;
}

/** Seconds of a race whose slowest candidates always go on; each round trains for twice the epochs of the one before. */
function raceSeconds(costs: readonly Cost[], epochs: number): number {
  const slowest = costs.toSorted((a, b) => b.epoch - a.epoch);
  return sum(
    racing(costs.length).flatMap((n, k) => slowest.slice(0, n).map((cost) => secondsOf(cost, epochs * 2 ** k))),
  );
}

/**
 * Divides the time among the stages. `source`: the fine-tuning, if there is one; `candidates`: none if the source is
 * the result. Everything follows from measured steps, so a resume that reads them gets the same.
 */
export function scheduleOf(inputs: {
  readonly time: number;
  /** Seconds that have passed. */
  readonly elapsed: number;
  readonly images: Images;
  readonly source: Work | undefined;
  readonly candidates: readonly Work[];
  /** True if there may be a race. */
  readonly races: boolean;
  readonly baseline: boolean;
}): Schedule {
  const { time, elapsed, images, candidates, baseline } = inputs;
  const usable = time * (1 - shares.reserve) - elapsed;
  const fineTuning = inputs.source && costOf(inputs.source, images);
  const within = candidates.length > 0 ? time * shares.source : usable;
  const source = fineTuning ? epochsIn(within, fineTuning, 1, finetuneEpochs) : 0;
  const judging = Math.floor(images.train / 5);
  const raced = { ...images, train: images.train - judging, validation: judging };
  const teaching = inputs.source && costOf(inputs.source, raced, 1);
  const before = fineTuning ? secondsOf(fineTuning, source) : 0;
  const lastAfter = ({ candidates: count, seconds }: typeof noRace) =>
    candidates.slice(0, Math.max(1, count)).map((work) => {
      const cost = costOf(work, images);
      const left = usable - before - seconds;
      const scratch = baseline ? epochsIn(Math.min(time * shares.scratch, left / 2), cost, 1, maxEpochs) : 0;
      const student = epochsIn(left - secondsOf(cost, scratch), cost, 1, maxEpochs);
      return { student, scratch: Math.min(student, scratch), cost };
    });
  const affordable = inputs.races ? raceOf(time * shares.race, teaching, candidates, raced, source) : noRace;
  // The winner's own training comes first: timing networks may have taken much of a short time.
  const hurried = lastAfter(affordable).some(({ student }) => student < minEpochs);
  const race = hurried ? noRace : affordable;
  const last = lastAfter(race);
  const longest = largest([
    0,
    ...last.map(({ student, scratch, cost }) => secondsOf(cost, student) + secondsOf(cost, scratch)),
  ]);
  const { seconds, ...planned } = race;
  return {
    source,
    race: planned,
    last: last.map(({ student, scratch }) => ({ student, scratch })),
    seconds: elapsed + before + seconds + longest,
  };
}

const noRace = { candidates: 0, epochs: 0, teacher: 0, seconds: 0 };

/** Returns a race among as many of the first candidates as the time allows. Its teacher takes at most a third of it. */
function raceOf(seconds: number, teaching: Cost | undefined, works: readonly Work[], images: Images, source: number) {
  const teacher = teaching ? epochsIn(seconds / 3, teaching, 0, source) : 0;
  if (teaching && teacher === 0) return noRace;
  const before = teaching ? secondsOf(teaching, teacher) : 0;
  for (let count = works.length; count > 1; count--) {
    // A race's runs validate once, at their end.
    const costs = works.slice(0, count).map((work) => {
      const { once, epoch } = costOf(work, { ...images, validation: 0 }, 1);
      return { once: once + (images.validation * work.seconds) / work.batch / 3, epoch };
    });
    const maxFirstEpochs = maxLastEpochs / 2 ** (racing(count).length - 1);
    for (let epochs = maxFirstEpochs; epochs >= minRaceEpochs; epochs--) {
      const all = before + raceSeconds(costs, epochs);
      if (all <= seconds) return { candidates: count, epochs, teacher, seconds: all };
    }
  }
  return noRace;
}
