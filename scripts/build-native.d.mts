import type { LibTorch } from './libtorch.mjs';

/** Whether an addon has its CUDA part, and why. */
export interface CudaPart {
  readonly built: boolean;
  readonly reason: string;
}

/** What a built addon was built for. */
export interface BuildStamp {
  readonly libtorch: { readonly path: string; readonly version: string; readonly how: string; readonly libDir: string };
  readonly cuda: CudaPart;
}

export const packageRoot: string;
export function addonPath(root?: string): string;
export function readBuildStamp(root?: string): BuildStamp | undefined;
export function isNativeCurrent(options?: { readonly root?: string; readonly programs?: boolean }): boolean;
/** Throws an Error with code ADDON_NOT_BUILT; the compiler's messages are on stderr. */
export function buildNative(options: {
  readonly root?: string;
  readonly libtorch: LibTorch;
  readonly explicit?: string;
  /** auto, on or off; by default what the environment's WITH_CUDA says, else auto. */
  readonly withCuda?: string;
  /** The programs that the tests run, too. */
  readonly programs?: boolean;
  /** Another than build/, with CMake variables of its own. */
  readonly folder?: string;
  readonly define?: readonly string[];
}): CudaPart;
