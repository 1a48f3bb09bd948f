import { basename, dirname, join } from 'node:path';
import { write } from '../tiny.js';

export const versionHeader = 'include/torch/csrc/api/include/torch/version.h';

export function versionText(version: string): string {
  const [major, minor, patch] = version.split('.');
  return `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
}

/** The files of a LibTorch, as far as the search looks at them; its library is not one. */
export function libtorchFiles(version = '2.6.0', abi = 1): [string, Uint8Array][] {
  return [
    ['lib/libtorch.so', Buffer.from('not a library')],
    [versionHeader, Buffer.from(versionText(version))],
    ['share/cmake/Torch/TorchConfig.cmake', Buffer.from(`set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=${abi}")\n`)],
  ];
}

export function makeLibTorch(folder: string, files = libtorchFiles()): string {
  for (const [name, content] of files) write(join(folder, dirname(name)), basename(name), content);
  return folder;
}
