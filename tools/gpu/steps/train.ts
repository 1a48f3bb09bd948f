import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';
import { resultOf, Training } from '../training.js';

/** Seconds of training, about. */
const length = { small: 10, full: 60 };

/** A run that is killed half-way and resumed ends with the bits of one that is not interrupted. */
export async function train({ device, small, folder }: StepOptions): Promise<Findings> {
  const training = new Training(folder, device, small);
  await training.makeSource();
  const trial = resultOf('trial', await training.run('trial', 2));
  const secondsWanted = small ? length.small : length.full;
  const epochs = Math.max(2, Math.round(secondsWanted / (trial.seconds / 2)));
  const { seconds, accuracy } = resultOf('whole', await training.run('whole', epochs));
  const half = `epoch ${Math.ceil(epochs / 2)}/`;
  const killed = await training.run('resumed', epochs, [], (text, kill) => {
    if (text.includes(half)) kill();
  });
  if (killed.signal !== 'SIGKILL') throw new Error(`the run ended before it could be killed at ${half}${epochs}`);
  resultOf('resumed', await training.resume('resumed'));
  return {
    problems: await training.differences('whole', 'resumed'),
    summary: `${epochs} epochs in ${seconds.toFixed(0)} s; killed after half of them and resumed`,
    figures: { epochs, seconds, accuracy },
  };
}
