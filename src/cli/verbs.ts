import { Command } from 'commander';
import { printableLines } from '../system/printable.js';
import { packageVersion } from '../system/version.js';
import { runProgram } from './program.js';

/** A verb. Its file adds arguments, flags and the action; it is loaded when the verb is called. */
interface Verb {
  readonly name: string;
  /** Its line in the list of verbs. */
  readonly about: string;
  load(): Promise<{ register(command: Command, whole: () => Promise<Command>): void }>;
}

/** The verbs, in the order of the help. */
const verbs: readonly Verb[] = [
  {
    name: 'demo',
    about:
      'show what transfer gives with few images: pretrain a small source on half of the classes, then learn the others',
    load: () => import('./demo.js'),
  },
  {
    name: 'init',
    about: 'look at your images, ask what to learn from, and write the options of a run to a YAML file',
    load: () => import('./init.js'),
  },
  {
    name: 'train',
    about:
      'train the best network within a budget: fine-tune the source, and if it is too slow or large, a smaller one',
    load: () => import('./train.js'),
  },
  {
    name: 'transfer',
    about: 'train a target network with the help of a pretrained source, or without one',
    load: () => import('./transfer.js'),
  },
  {
    name: 'compare',
    about: 'run several methods with several seeds on one data set, and print a table',
    load: () => import('./compare.js'),
  },
  {
    name: 'curve',
    about: 'run several methods with several numbers of training images, and print a table',
    load: () => import('./curve.js'),
  },
  {
    name: 'reproduce',
    about: 'run an experiment of the paper by its name: its networks, methods and schedule, on your copy of its data',
    load: () => import('./reproduce.js'),
  },
  { name: 'pretrain', about: 'train a network by itself, to be a source later', load: () => import('./pretrain.js') },
  {
    name: 'eval',
    about: 'measure how well a trained network classifies the images of a data set',
    load: () => import('./eval.js'),
  },
  { name: 'predict', about: 'classify images with a trained network', load: () => import('./predict.js') },
  {
    name: 'networks',
    about: 'list the networks: parameters, operations and feature maps',
    load: () => import('./networks.js'),
  },
  {
    name: 'source',
    about: 'pretrained networks: list their weight files, and fetch one',
    load: () => import('./source.js'),
  },
  {
    name: 'inspect',
    about: 'show what a weights file or a run folder holds: network, features, options, λ and w',
    load: () => import('./inspect.js'),
  },
  {
    name: 'report',
    about: 'write the report of a run or an experiment: one HTML file with curves, λ, pictures and errors',
    load: () => import('./report.js'),
  },
  {
    name: 'export',
    about: 'write a network for other programs: ONNX, safetensors in float32, torchvision',
    load: () => import('./export.js'),
  },
  { name: 'data', about: 'look at data sets', load: () => import('./data.js') },
  {
    name: 'bench',
    about: 'measure how long an iteration takes and how much memory, of one engine or of both in one run',
    load: () => import('./bench.js'),
  },
  {
    name: 'doctor',
    about: 'check what is installed, and say what to do about what is missing',
    load: () => import('./doctor.js'),
  },
  {
    name: 'version',
    about: 'print the versions of this program and of what it runs on',
    load: () => import('./version.js'),
  },
  { name: 'setup', about: 'install LibTorch from an official archive, without root', load: () => import('./setup.js') },
  { name: 'build', about: 'compile the native part against LibTorch', load: () => import('./build.js') },
  {
    name: 'completion',
    about: 'print a script with which a shell completes verbs, flags and their values',
    load: () => import('./completion.js'),
  },
];

/** Returns the command line, not yet run. Verbs other than `only` have their names and summaries alone. */
export async function commandLine(only?: string): Promise<Command> {
  const program = new Command('l2t-native')
    .description(
      'Learning what and where to transfer: train a compact network with the help of a bigger pretrained one.',
    )
    .version(packageVersion())
    // Arguments are made printable: one may be the name of somebody else's file.
    .configureOutput({ outputError: (text, write) => write(printableLines(text.split('\n'))) })
    .configureHelp({ subcommandTerm: (verb) => verb.name() })
    .showHelpAfterError('(--help lists what there is)')
    .exitOverride();
  for (const { name, about, load } of verbs) {
    const command = program.command(name).summary(about).description(about);
    if (only === undefined || only === name) (await load()).register(command, commandLine);
  }
  return program;
}

/** Loads the verb that is called. Without one, the command line has the list of verbs alone. */
export async function main(): Promise<void> {
  const [first = '', second = ''] = process.argv.slice(2);
  await runProgram(await commandLine(first === 'help' ? second : first));
}
