/** The kinds of logs that a run may write beside metrics.jsonl; src/report/logs/logs.ts has their writers. */
export const logNames = ['csv', 'tensorboard'] as const;
export type LogName = (typeof logNames)[number];
