/**
 * Prints the addon's C++ sources, relative to the current folder: the list that CMakeLists.txt and binding/binding.gyp
 * compile. `--cuda`: with the CUDA part.
 */
import { join, relative } from 'node:path';
import { filesBelow, packageRoot } from './files.mjs';

const cuda = process.argv.includes('--cuda');

for (const path of ['native', 'binding'].flatMap((room) => filesBelow(join(packageRoot, room), ['build']))) {
  const [, name] = /\/native\/backends\/cuda\/(.*)$/.exec(path) ?? [];
  const isChosen = name === undefined || cuda === (name !== 'none.cc');
  // The module that is loaded before the addon is a library of its own.
  const isOther = path.includes('/binding/environment/');
  if (path.endsWith('.cc') && isChosen && !isOther) console.log(relative(process.cwd(), path));
}
