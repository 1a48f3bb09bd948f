import type { Command } from 'commander';
import pc from 'picocolors';
import { examine } from '../setup/doctor.js';
import { printable, printableJson } from '../system/printable.js';

const marks = { ok: pc.green('ok    '), note: pc.yellow('note  '), broken: pc.red('broken') };

function doctor(options: { readonly json?: boolean }): void {
  const { checks, libtorch, selfTest = null } = examine();
  const ok = checks.every((check) => check.state !== 'broken');
  if (!ok) process.exitCode = 1;
  if (options.json) console.log(printableJson({ ok, checks, libtorch, selfTest }, 2));
  for (const { state, name, detail, fix } of options.json ? [] : checks) {
    console.log(`${marks[state]} ${name.padEnd(10)} ${printable(detail)}`);
    if (fix !== undefined) console.log(`       → ${fix.split('\n').map(printable).join('\n         ')}`);
  }
}

export function register(command: Command): void {
  command.option('--json', 'print the report as one JSON document').action(doctor);
}
