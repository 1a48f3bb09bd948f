import * as z from 'zod';
import type { GroupConfig } from '../native/addon.js';
import { anObject, type Control } from '../options/arguments.js';
import { checkOptions, refused, required } from '../options/check.js';
import { between, text, whole } from '../options/row.js';

/** Maximum number of processes of a group. */
const maxSize = 4096;
/** HOST:PORT. An IPv6 address has its colons, so the port is what follows the last one; brackets are optional. */
const address = /^\[?(?<host>[^[\]\s]+?)\]?:(?<port>\d{1,5})$/;
const addressForm = 'HOST:PORT of rank 0, with a port from 1 to 65535';

/** Seconds. */
export const defaultTimeout = 300;

/** The option `group` of the API. */
const groupSchema = z.strictObject({
  rank: whole(0, maxSize - 1, "this process's place among those of the run, from 0"),
  size: whole(1, maxSize, 'number of processes of the run'),
  master: text('host:port', addressForm, 'where rank 0 listens; the same for all ranks'),
  timeout: between(1, 86_400, 'seconds that a rank waits for the others', { default: defaultTimeout }),
  localRank: whole(0, maxSize - 1, "this process's place among those on its host (in the order of ranks)"),
  localSize: whole(1, maxSize, 'number of processes on this host (those with its host name)'),
});

/** This process's part in a run that several compute, on this host or on several. */
export interface GroupOptions {
  /** This process's place among those of the run, from 0. Rank 0 writes the run folder. */
  readonly rank: number;
  /** Number of processes of the run. */
  readonly size: number;
  /** HOST:PORT where rank 0 listens; the same for all ranks. */
  readonly master: string;
  /** Seconds that a rank waits for the others (300). */
  readonly timeout?: number | undefined;
  /** This process's place among those on its host, which decides its GPU (its place by rank). */
  readonly localRank?: number | undefined;
  /** Number of processes on this host, which share its cores (counted by host name). */
  readonly localSize?: number | undefined;
}

/** The option `group` as an argument of the API. `checkGroup` checks the rest. */
export const aGroup: Control<GroupOptions> = anObject<Pick<GroupOptions, 'rank' | 'size' | 'master'>>(
  "{ rank, size, master: 'HOST:PORT' }",
  { rank: 'number', size: 'number', master: 'string' },
);

/** The options of a group with the master's address taken apart. */
export type CheckedGroup = GroupConfig & Pick<GroupOptions, 'localRank' | 'localSize'>;

/** @throws L2TError INVALID_OPTION. */
export function checkGroup(given: GroupOptions): CheckedGroup {
  const label = (key: string) => `Option group.${key}`;
  const options = checkOptions(groupSchema, { ...given }, label);
  const rank = required(groupSchema, options, 'rank');
  const size = required(groupSchema, options, 'size');
  if (rank >= size) throw refused(label('rank'), rank, `below group.size, which is ${size}`);
  const { host, port } = splitAddress(required(groupSchema, options, 'master'), label('master'));
  const { timeout = defaultTimeout, localRank, localSize } = options;
  return { rank, size, host, port, timeout, localRank, localSize };
}

/** @throws L2TError INVALID_OPTION, in which `what` names the option. */
function splitAddress(text: string, what: string): { readonly host: string; readonly port: number } {
  const { host, port } = address.exec(text)?.groups ?? {};
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) throw refused(what, text, addressForm);
  return { host, port: Number(port) };
}
