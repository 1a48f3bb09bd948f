export interface LibTorch {
  /** The folder that holds include/ and the folder of libraries. */
  readonly prefix: string;
  readonly libDir: string;
  readonly version: string;
  /** Which place of the search order it is, e.g. 'LIBTORCH' or 'the system'. */
  readonly how: string;
}

/** A place that was looked at and refused. */
export interface Refusal {
  readonly how: string;
  readonly path: string;
  readonly reason: string;
}

/** Loads a shared library in a child process: undefined if it loads, else the reason. */
export type Probe = (library: string, timeout?: number) => string | undefined;

export interface SearchOptions {
  /** The value of --libtorch. */
  readonly explicit?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** In place of /usr. */
  readonly system?: string;
  /** The folder of the torch package that this python would import. */
  readonly findPackage?: (python: string) => string | undefined;
  readonly load?: Probe;
  /** What to do when nothing is found: undefined where it installed something, else why not. */
  readonly install?: () => string | undefined;
}

export const minimumVersion: string;
export function setupFolder(env?: Readonly<Record<string, string | undefined>>): string;
export function versionFromHeader(text: string): string | undefined;
export function isNewEnough(version: string): boolean;
export function isOldAbi(torchConfig: string): boolean;
export const probe: Probe;
export function inspect(
  prefix: string,
  load?: Probe,
  folders?: readonly string[],
): { prefix: string; libDir: string; version: string; reason?: undefined } | { reason: string };
export function findLibTorch(options?: SearchOptions): { found: LibTorch | undefined; tried: Refusal[] };
export function explain(tried: readonly Refusal[], cli?: string): string;
/** Throws an Error with code LIBTORCH_NOT_FOUND. Installs Debian's LibTorch where it may. */
export function requireLibTorch(options: {
  readonly explicit?: string;
  readonly say: (line: string) => void;
  readonly cli?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}): LibTorch;

/** What a process that loads LibTorch sets before, unless its environment says otherwise. */
export const loadEnvironment: Readonly<Record<string, string>>;
