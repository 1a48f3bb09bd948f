import { join } from 'node:path';
import { listFolder } from '../../system/files.js';
import type { LogKind } from './log.js';

const form = /^events\.out\.tfevents\.(\d{10})\.l2t-native$/;

/** events.out.tfevents.…: what TensorBoard reads. A resume adds a file, which tells it what to drop of the older ones. */
export const tensorboard: LogKind = {
  async open(folder, done) {
    const older = (await listFolder(folder)).flatMap((name) => form.exec(name)?.[1] ?? []);
    // TensorBoard reads the files in the order of their names, whatever the clock says.
    const seconds = Math.max(Math.floor(Date.now() / 1000), ...older.map((each) => Number(each) + 1));
    const file = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.l2t-native`);
    // Imported here, because the protobuf library takes a while to load and most runs have no such log.
    const { beginEvents } = await import('./tensorboard/events.js');
    return beginEvents(file, older.length > 0 ? done.length : undefined);
  },
};
