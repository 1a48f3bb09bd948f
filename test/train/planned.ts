import { candidateOf } from '../../src/train/candidates.js';
import { write } from '../tiny.js';

/** Makes `out` a folder in which `train` has planned a race of two, with few epochs. */
export function plannedTraining(out: string, given: { readonly data: string; readonly source: string }): string {
  const options = { threads: 1, device: 'cpu', seed: 1, maxParams: 1, ...given };
  const racers = [candidateOf('resnet20', 0.25, 32, 3), candidateOf('vgg9_bn', 0.25, 32, 3)];
  const work = { seconds: 0.1, batch: 32, size: 32 };
  const decisions = [
    ['data', { classes: 3, fewest: 12, side: 32, images: { train: 36, validation: 0, test: 30, secondsPerImage: 0 } }],
    ['source', { candidate: { ...racers[0], ms: 1 }, work, fits: false }],
    ['candidates', racers.map((candidate) => ({ candidate, work }))],
    [
      'schedule',
      {
        source: 2,
        race: { candidates: 2, epochs: 1, teacher: 1 },
        last: racers.map(() => ({ student: 2, scratch: 1 })),
        seconds: 1,
      },
    ],
  ].map(([kind, value]) => ({ kind, value }));
  write(out, 'decisions.json', JSON.stringify({ verb: 'train', options, decisions }));
  return out;
}
