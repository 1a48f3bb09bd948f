/** CUDA releases such as '12.4', of an addon and of its LibTorch; '' of an addon that was built without CUDA. */
export interface CudaReleases {
  readonly compiledFor: string;
  readonly runtime: string;
}

/**
 * Why an addon of one CUDA does not work with a LibTorch of another: between major releases, CUDA's structs and
 * functions change. Undefined if the two fit, or the addon has no CUDA part.
 */
export function cudaMismatch({ compiledFor, runtime }: CudaReleases): string | undefined {
  const major = (release: string): string | undefined => release.split('.')[0];
  if (major(compiledFor) === major(runtime)) return undefined;
  return `it was compiled with CUDA ${compiledFor}, but LibTorch brings CUDA ${runtime}: set CUDA_HOME to a toolkit of CUDA ${major(runtime)} and run \`npx l2t-native build\`, or build without CUDA (\`npx l2t-native build --with-cuda off\`)`;
}
