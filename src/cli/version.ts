import type { Command } from 'commander';
import { examine, nvidiaDriver } from '../setup/doctor.js';
import { printableJson } from '../system/printable.js';
import { packageVersion } from '../system/version.js';
import { table } from './table.js';

function version(options: { readonly json?: boolean }): void {
  const { checks, selfTest } = examine();
  const found = (name: string) => checks.find((check) => check.name === name && check.state === 'ok')?.detail;
  const versions = {
    'l2t-native': packageVersion(),
    node: process.versions.node,
    libtorch: selfTest?.libtorch ?? found('LibTorch'),
    compiler: found('Compiler'),
    cmake: found('CMake'),
    // The addon returns an empty text for a version that it lacks.
    'cuda of the addon': selfTest?.cudaVersions.compiledFor || undefined,
    'cuda of libtorch': selfTest?.cudaVersions.runtime || undefined,
    cudnn: selfTest?.cudaDescription?.cudnn || undefined,
    'gpu driver': nvidiaDriver(),
  };
  const rows = Object.entries(versions);
  if (options.json) console.log(printableJson(Object.fromEntries(rows.map(([name, text]) => [name, text ?? null])), 2));
  else
    console.log(
      table(
        ['component', 'version'],
        rows.map(([name, text]) => [name, text ?? 'none']),
      ),
    );
}

export function register(command: Command): void {
  command.option('--json', 'print one JSON document; null stands for what is not there').action(version);
}
