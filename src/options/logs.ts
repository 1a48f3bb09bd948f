/** The logs that a run may write beside metrics.jsonl, and the names of their files; report/logs has the writers. */
const files = { csv: /^metrics\.csv$/, tensorboard: /^events\.out\.tfevents\.\d{10}\.l2t-native$/ };

export type LogName = keyof typeof files;
export const logNames = Object.keys(files) as [LogName, ...LogName[]];

/** Checks whether one of these logs writes a file of this name into a run folder. */
export const isOfLogs = (names: readonly LogName[], file: string): boolean =>
  names.some((name) => files[name].test(file));
