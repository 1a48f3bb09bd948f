import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The calls that fault.c counts, in its order. */
export const operations = ['write', 'fsync', 'rename', 'open', 'read', 'link', 'unlink', 'mkdir'] as const;
export type Operation = (typeof operations)[number];

const compiler = 'g++';

export const missingCompiler = (): string | undefined =>
  spawnSync(compiler, ['--version']).status === 0 ? undefined : `${compiler} is missing`;

/** fault.c as a library, which is preloaded into programs whose file calls should fail. */
export class Faults {
  readonly #library: string;

  constructor(private readonly folder: string) {
    this.#library = join(folder, 'fault.so');
    const source = fileURLToPath(new URL('fault.c', import.meta.url));
    execFileSync(compiler, ['-x', 'c', '-shared', '-fPIC', '-O1', '-o', this.#library, source, '-ldl']);
  }

  /** The environment of a program in which `fault` ("write:3:28+", see fault.c) occurs on the files in `below`. */
  environment(below: string, counts: string, fault?: string): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      L2T_FAULT_BELOW: below,
      L2T_FAULT_COUNTS: counts,
      ...(fault !== undefined && { L2T_FAULT: fault }),
    };
  }

  /** The result of `run`, and how often its programs make each call on the files in `below`. */
  async count<T>(
    below: string,
    run: (env: Record<string, string>) => Promise<T>,
  ): Promise<{ counts: Record<Operation, number>; result: T }> {
    const file = join(this.folder, 'counts');
    rmSync(file, { force: true });
    const result = await run(this.environment(below, file));
    const bytes = readFileSync(file);
    const entries = operations.map((name, k) => [name, Number(bytes.readBigUInt64LE(8 * k))]);
    return { counts: Object.fromEntries(entries) as Record<Operation, number>, result };
  }
}
