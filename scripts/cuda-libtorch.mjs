/** Debian's LibTorch with CUDA, beside the one that is installed, with which its packages conflict. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, unpackPackages } from './apt-unpack.mjs';

const packages = [
  ...['libtorch-cuda-2.6', 'libtorch-cuda-dev', 'libgloo-cuda-0', 'libtensorpipe-cuda-0'],
  ...['libcudart12', 'libnvtoolsext1'],
];

/** The LibTorch's folder, downloaded at the first call: { prefix, libraries }, the latter in the order of a search. */
export function cudaLibTorch(say, cache = cacheFolder('check-cuda')) {
  const prefix = join(cache, 'root/usr');
  if (existsSync(prefix)) say(`LibTorch with CUDA is in ${cache}`);
  else {
    const size = { download: '485 MB', unpacked: '1.5 GB' };
    unpackPackages({ cache, packages, sections: ['main', 'contrib', 'non-free'], size, say });
  }
  return { prefix, libraries: [join(prefix, 'lib/x86_64-linux-gnu'), join(prefix, 'lib')] };
}
