import type { SavedEpoch } from '../../../store/run-store.js';
import { appendToFile } from '../../../system/files.js';
import type { Log, LoggedResult, LoggedRun } from '../log.js';
import { numbersOf } from '../numbers.js';
import { experiment, sessionEnd, sessionStart, testAccuracy } from './hparams.js';
import { lambdaMap } from './lambda-map.js';
import { encode } from './messages.js';
import { tfrecord } from './tfrecord.js';

const now = (): number => Date.now() / 1000;

/** A record of an events file: what happened at a step. A step is an epoch, counted from 0 as in metrics.jsonl. */
const event = (step: number, what: Readonly<Record<string, unknown>>): Buffer =>
  tfrecord(encode('Event', { wall_time: now(), step, ...what }));

/**
 * Begins an events file. `resumed`: there are older ones, so it begins with the start of a session at the next epoch,
 * which makes TensorBoard drop what they have of that epoch and later ones.
 */
export async function beginEvents(file: string, resumed: boolean, run: LoggedRun, next: number): Promise<Log> {
  const start = resumed ? [event(next, { session_log: { status: 'START' } })] : [];
  const session = event(next, { summary: { value: [experiment(), sessionStart(run, now())] } });
  await appendToFile(file, Buffer.concat([event(0, { file_version: 'brain.Event:2' }), ...start, session]));
  return new EventsFile(file);
}

class EventsFile implements Log {
  constructor(private readonly path: string) {}

  async epoch({ metrics }: SavedEpoch): Promise<void> {
    const value = [...scalars(numbersOf(metrics)), ...(await images(metrics))];
    await appendToFile(this.path, event(metrics.epoch, { summary: { value } }));
  }

  async end({ accuracy, best: { epoch } }: LoggedResult): Promise<void> {
    const tested = accuracy === null ? [] : scalars(new Map([[testAccuracy, accuracy]]));
    await appendToFile(this.path, event(epoch, { summary: { value: [...tested, sessionEnd(now())] } }));
  }
}

const scalars = (numbers: ReadonlyMap<string, number>) =>
  [...numbers].map(([tag, simple_value]) => ({ tag, simple_value }));

/** A map of λ for each source whose λ is learned. */
async function images({ pairs }: SavedEpoch['metrics']) {
  const values: Record<string, unknown>[] = [];
  for (const source of new Set(pairs.map((pair) => pair.source))) {
    const map = await lambdaMap(pairs.filter((pair) => pair.source === source));
    if (map === undefined) continue;
    const { png, width, height, description } = map;
    values.push({
      tag: `lambda/${source}`,
      metadata: {
        plugin_data: { plugin_name: 'images' },
        display_name: `λ of source ${source}`,
        summary_description: description,
      },
      tensor: {
        dtype: 'DT_STRING',
        tensor_shape: { dim: [{ size: 3 }] },
        string_val: [Buffer.from(String(width)), Buffer.from(String(height)), png],
      },
    });
  }
  return values;
}
