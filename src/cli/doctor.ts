import type { Command } from 'commander';
import pc from 'picocolors';
import { examine } from '../system/doctor.js';
import type { Check } from '../system/doctor-check.js';
import { printable, printableJson } from '../system/printable.js';

function print(checks: readonly Check[]): void {
  const marks = { ok: pc.green('ok    '), note: pc.yellow('note  '), broken: pc.red('broken') };
  for (const check of checks) {
    console.log(`${marks[check.state]} ${check.name.padEnd(10)} ${printable(check.detail)}`);
    if (check.fix !== undefined) console.log(`       → ${check.fix.split('\n').map(printable).join('\n         ')}`);
  }
}

function doctor(options: { readonly json?: boolean }): void {
  const { checks, libtorch, selfTest: test } = examine();
  const ok = checks.every((check) => check.state !== 'broken');
  if (options.json) console.log(printableJson({ ok, checks, libtorch, selfTest: test ?? null }, 2));
  else print(checks);
  if (!ok) process.exitCode = 1;
}

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check what is installed, and say what to do about what is missing')
    .option('--json', 'print the report as one JSON document')
    .action(doctor);
}
