import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The calls that fault.c counts, in its order. */
export const operations = ['write', 'fsync', 'rename', 'open', 'read', 'link', 'unlink', 'mkdir'] as const;
export type Operation = (typeof operations)[number];

const compiler = 'g++';

export const missingCompiler = (): string | undefined =>
  spawnSync(compiler, ['--version']).status === 0 ? undefined : `${compiler} is missing`;

/** fault.c, compiled; to be loaded before programs whose file calls are to fail. */
export class Faults {
  readonly #library: string;

  constructor(private readonly folder: string) {
    this.#library = join(folder, 'fault.so');
    const source = fileURLToPath(new URL('fault.c', import.meta.url));
    execFileSync(compiler, ['-x', 'c', '-shared', '-fPIC', '-O1', '-o', this.#library, source, '-ldl']);
  }

  /** The environment of a program in which `fault` ("write:3:28+", see fault.c) befalls the files of `below`. */
  environment(below: string, counts: string, fault?: string): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      L2T_FAULT_BELOW: below,
      L2T_FAULT_COUNTS: counts,
      ...(fault !== undefined && { L2T_FAULT: fault }),
    };
  }

  /** How often a program makes each call on the files of `below`. */
  async count(
    below: string,
    run: (env: Record<string, string>) => Promise<unknown>,
  ): Promise<Record<Operation, number>> {
    const counts = join(this.folder, 'counts');
    rmSync(counts, { force: true });
    closeSync(openSync(counts, 'w'));
    await run(this.environment(below, counts));
    const bytes = readFileSync(counts);
    const entries = operations.map((name, k) => [name, Number(bytes.readBigUInt64LE(8 * k))]);
    return Object.fromEntries(entries) as Record<Operation, number>;
  }
}
