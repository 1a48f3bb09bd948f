import { Argument, type Command } from 'commander';
import { presets } from '../experiments/presets.js';
import { publishedNames } from '../options/sources.js';
import { bashScript } from './completion/bash.js';
import { fishScript } from './completion/fish.js';
import { wordsOf } from './completion/words.js';
import { zshScript } from './completion/zsh.js';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function register(program: Command): void {
  program
    .command('completion')
    .description('print a script with which a shell completes verbs, flags and their values')
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(scripts)))
    .action(async (shell: keyof typeof scripts) => {
      const all = await presets();
      const named = (pretrain: boolean) =>
        all.filter(({ verb }) => (verb === 'pretrain') === pretrain).map(({ name }) => name);
      const sources = { 'source get': publishedNames };
      const words = wordsOf(program, { reproduce: named(false), pretrain: named(true), ...sources });
      process.stdout.write(scripts[shell](words));
    });
}
