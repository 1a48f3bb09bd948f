import { spawnSync } from 'node:child_process';

/** One line of the report. 'note': it works, but could be better; 'broken': something cannot work. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'broken';
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string | undefined;
}

export const check = (state: Check['state'], name: string, detail: string, fix?: string): Check => ({
  name,
  state,
  detail,
  fix,
});

/** The first line of a program's output, or undefined if the program fails or cannot be run. */
export function firstLine(command: string, args: readonly string[]): string | undefined {
  const child = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  return child.status === 0 ? child.stdout.split('\n')[0]?.trim() : undefined;
}
