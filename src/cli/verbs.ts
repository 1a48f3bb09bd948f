import { Command } from 'commander';
import { printableLines } from '../system/printable.js';
import { packageVersion } from '../system/version.js';
import { runProgram } from './program.js';

/** The verbs, in the order of the help, each with its line there. A verb's file has its name. */
const verbs: Readonly<Record<string, string>> = {
  demo: 'show what transfer gives with few images: pretrain a small source on half of the classes, then learn the others',
  init: 'look at your images, ask what to learn from, and write the options of a run to a YAML file',
  train: 'train the best network within a budget: fine-tune the source, and if it is too slow or large, a smaller one',
  transfer: 'train a target network with the help of a pretrained source, or without one',
  compare: 'run several methods with several seeds on one data set, and print a table',
  curve: 'run several methods with several numbers of training images, and print a table',
  reproduce: 'run an experiment of the paper by its name: its networks, methods and schedule, on your copy of its data',
  pretrain: 'train a network by itself, to be a source later',
  eval: 'measure how well a trained network classifies the images of a data set',
  predict: 'classify images with a trained network',
  networks: 'list the networks: parameters, operations and feature maps',
  source: 'pretrained networks: list their weight files, and fetch one',
  inspect: 'show what a weights file or a run folder holds: network, features, options, λ and w',
  report: 'write the report of a run or an experiment: one HTML file with curves, λ, pictures and errors',
  export: 'write a network for other programs: ONNX, safetensors in float32, torchvision',
  data: 'look at data sets',
  bench: 'measure how long an iteration takes and how much memory, of one engine or of both in one run',
  doctor: 'check what is installed, and say what to do about what is missing',
  version: 'print the versions of this program and of what it runs on',
  setup: 'install LibTorch from an official archive, without root',
  build: 'compile the native part against LibTorch',
  completion: 'print a script with which a shell completes verbs, flags and their values',
};

/** A verb's file: it adds arguments, flags and the action. */
interface VerbFile {
  register(command: Command, whole: () => Promise<Command>): void;
}

/** Loads the file of a verb when it is called: all would take a while. */
const load = (verb: string): Promise<VerbFile> => import(/* @vite-ignore */ `./${verb}.js`);

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
  for (const [name, about] of Object.entries(verbs)) {
    const command = program.command(name).summary(about).description(about);
    if (only === undefined || only === name) (await load(name)).register(command, commandLine);
  }
  return program;
}

/** Loads the verb that is called. Without one, the command line has the list of verbs alone. */
export async function main(): Promise<void> {
  const [first = '', second = ''] = process.argv.slice(2);
  await runProgram(await commandLine(first === 'help' ? second : first));
}
