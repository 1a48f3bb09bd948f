import type { LogName } from '../../options/logs.js';
import type { SavedEpoch } from '../../store/run-store.js';
import { csv } from './csv.js';
import type { Log, LogKind } from './log.js';
import { tensorboard } from './tensorboard.js';

/** The kinds of logs, by the names that `--log` takes. */
const kinds: Readonly<Record<LogName, LogKind>> = { csv, tensorboard };

/** Opens the logs of a run in the order of `names`; `done` are the epochs that it has saved. */
export async function openLogs(names: readonly LogName[], folder: string, done: readonly SavedEpoch[]) {
  const logs: Log[] = [];
  for (const name of names) logs.push(await kinds[name].open(folder, done));
  return logs;
}
