import { Command } from 'commander';
import { printableLines } from '../system/printable.js';
import { packageVersion } from '../system/version.js';
import { register as bench } from './bench.js';
import { register as build } from './build.js';
import { register as compare } from './compare.js';
import { register as completion } from './completion.js';
import { register as curve } from './curve.js';
import { register as data } from './data.js';
import { register as demo } from './demo.js';
import { register as doctor } from './doctor.js';
import { register as evaluation } from './eval.js';
import { register as exportTo } from './export.js';
import { register as init } from './init.js';
import { register as inspect } from './inspect.js';
import { register as networks } from './networks.js';
import { register as predict } from './predict.js';
import { register as pretrain } from './pretrain.js';
import { runProgram } from './program.js';
import { register as report } from './report.js';
import { register as reproduce } from './reproduce.js';
import { register as setup } from './setup.js';
import { register as source } from './source.js';
import { register as transfer } from './transfer.js';

/** The command line with all its verbs, not yet run. */
export function commandLine(): Command {
  const program = new Command('l2t-native')
    .description(
      'Learning what and where to transfer: train a compact network with the help of a bigger pretrained one.',
    )
    .version(packageVersion())
    // An argument may be the name of somebody else's file.
    .configureOutput({ outputError: (text, write) => write(printableLines(text.split('\n'))) })
    .showHelpAfterError('(--help lists what there is)')
    .exitOverride();
  for (const register of [
    demo,
    init,
    transfer,
    compare,
    curve,
    reproduce,
    pretrain,
    evaluation,
    predict,
    networks,
    source,
    inspect,
    report,
    exportTo,
    data,
    bench,
    doctor,
    setup,
    build,
    completion,
  ])
    register(program);
  return program;
}

export function main(): Promise<void> {
  return runProgram(commandLine());
}
