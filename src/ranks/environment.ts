import { createHash } from 'node:crypto';
import type { L2TError } from '../errors.js';
import { invalidOption } from '../system/failures.js';
import type { GroupOptions } from './options.js';

/** The address at which one host's processes find each other; others cannot reach it. */
export const loopback = '127.0.0.1';

/** Ports from 15000 to 29999: below those that the system gives away by itself. */
export const ownPorts = { first: 15_000, count: 15_000 };

type Environment = Readonly<Record<string, string | undefined>>;

/** A program that starts several processes of another one, and tells each its place by environment variables. */
interface Launcher {
  readonly name: string;
  /** Variables that say that it started this process. */
  readonly marks: readonly string[];
  /** True if it may start a process without a group, and then sets only some of the variables. */
  readonly single?: (env: Environment) => boolean;
  readonly rank: string;
  readonly size: string;
  readonly localRank?: string;
  readonly localSize?: string;
  /** HOST:PORT of rank 0. */
  readonly master: (env: Environment) => string;
}

/** The launchers, inner ones first: torchrun may have been started by mpirun, and mpirun by srun. */
const launchers: readonly Launcher[] = [
  {
    name: 'torchrun',
    marks: ['RANK', 'WORLD_SIZE'],
    rank: 'RANK',
    size: 'WORLD_SIZE',
    localRank: 'LOCAL_RANK',
    localSize: 'LOCAL_WORLD_SIZE',
    master: masterOfTorchrun,
  },
  {
    name: 'mpirun',
    marks: ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'],
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
    master: masterOfMpi,
  },
  {
    name: 'srun',
    // A batch script and the tasks of an array have other variables of SLURM, but not this one.
    marks: ['SLURM_STEP_NUM_TASKS'],
    single: (env) => env.SLURM_STEP_NUM_TASKS === '1',
    rank: 'SLURM_PROCID',
    size: 'SLURM_STEP_NUM_TASKS',
    localRank: 'SLURM_LOCALID',
    master: masterOfSlurm,
  },
];

/**
 * Returns this process's place among those that a launcher started: torchrun or examples/ranks.sh, Open MPI's mpirun,
 * or SLURM's srun. Undefined for a process that is alone.
 * @throws L2TError INVALID_OPTION that names the variable which is missing or wrong.
 */
export function groupFromEnvironment(env: Environment = process.env): GroupOptions | undefined {
  const launcher = launcherOf(env);
  if (launcher === undefined) return undefined;
  const size = whole(env, launcher.size, 1);
  const rank = whole(env, launcher.rank);
  if (rank >= size) throw wrong(launcher.rank, env[launcher.rank], `below ${launcher.size}, which is ${size}`);
  if (size === 1) return undefined;
  const local = (name: string | undefined, min: number) =>
    name !== undefined && isSet(env, name) ? whole(env, name, min) : undefined;
  return {
    rank,
    size,
    master: launcher.master(env),
    localRank: local(launcher.localRank, 0),
    localSize: local(launcher.localSize, 1),
  };
}

/** Returns the number of processes that a launcher started; undefined if it is one. */
export function launchedProcesses(env: Environment = process.env): number | undefined {
  const launcher = launcherOf(env);
  const size = Number(launcher && env[launcher.size]);
  return size > 1 ? size : undefined;
}

function launcherOf(env: Environment): Launcher | undefined {
  const launcher = launchers.find(({ marks }) => marks.some((name) => isSet(env, name)));
  return launcher?.single?.(env) ? undefined : launcher;
}

/** Returns rank 0's address, which mpirun does not tell unless all are on one host. */
function masterOfMpi(env: Environment): string {
  const oneHost = env.OMPI_COMM_WORLD_LOCAL_SIZE === env.OMPI_COMM_WORLD_SIZE;
  if (!isSet(env, 'MASTER_ADDR') && !oneHost) {
    throw invalidOption(
      `MASTER_ADDR is not set, and the processes of mpirun are on several hosts: give the name or address of rank 0's host by mpirun -x MASTER_ADDR=HOST, or --no-group to ignore the others. ${where}`,
    );
  }
  const host = isSet(env, 'MASTER_ADDR') ? env.MASTER_ADDR : loopback;
  // All ranks have the same name of the job; which variable has it depends on the version of Open MPI.
  const job = env.PMIX_NAMESPACE ?? env.OMPI_MCA_ess_base_jobid ?? '';
  return `${host}:${isSet(env, 'MASTER_PORT') ? port(env, 'MASTER_PORT') : portFor(job)}`;
}

/** Returns the first host of the step's nodes, with a port of the job and the step, so that two at once differ. */
function masterOfSlurm(env: Environment): string {
  const list = needed(env, 'SLURM_STEP_NODELIST');
  const host = env.SLURM_STEP_NUM_NODES === '1' ? loopback : firstHost(list);
  if (host === '') throw wrong('SLURM_STEP_NODELIST', list, 'a list of hosts');
  return `${host}:${portFor(`${needed(env, 'SLURM_JOB_ID')}.${env.SLURM_STEP_ID ?? ''}`)}`;
}

/** Returns MASTER_ADDR and MASTER_PORT; if torchrun itself listens there, another port, the same for all. */
function masterOfTorchrun(env: Environment): string {
  const masterPort = port(env, 'MASTER_PORT');
  // The number of restarts is left out: each host counts its own.
  const job = `${env.TORCHELASTIC_RUN_ID ?? ''}.${masterPort}`;
  return `${needed(env, 'MASTER_ADDR')}:${env.TORCHELASTIC_USE_AGENT_STORE === 'True' ? portFor(job) : masterPort}`;
}

/** Returns the first host of a list as SLURM writes it: `node01` of `node[01-03,07],big1`. */
export function firstHost(list: string): string {
  const [first = ''] = /^(?:[^,[\]]|\[[^\]]*\])*/.exec(list.trim()) ?? [];
  return first.replaceAll(/\[([^\],-]*)[^\]]*\]/g, '$1');
}

const where =
  'The environment of a launcher (torchrun, mpirun, srun) tells a process its place among those of a run (docs/scale.md).';

const toComputeAlone = 'give --no-group to compute alone';

/** Returns one of our ports, the same for all processes of the job. */
const portFor = (job: string): number =>
  ownPorts.first + (createHash('sha256').update(job).digest().readUInt32BE(0) % ownPorts.count);

const isSet = (env: Environment, name: string): boolean => (env[name] ?? '') !== '';

function needed(env: Environment, name: string): string {
  const value = env[name] ?? '';
  if (value !== '') return value;
  throw invalidOption(`${name} is not set: set it, or ${toComputeAlone}. ${where}`);
}

function port(env: Environment, name: string): number {
  const value = whole(env, name, 1);
  if (value > 65_535) throw wrong(name, env[name], 'a port from 1 to 65535');
  return value;
}

function whole(env: Environment, name: string, min = 0): number {
  const value = needed(env, name);
  if (/^\d{1,9}$/.test(value) && Number(value) >= min) return Number(value);
  throw wrong(name, value, `a whole number from ${min}`);
}

const wrong = (name: string, value: string | undefined, allowed: string): L2TError =>
  invalidOption(`${name} is '${value}': it must be ${allowed}; or ${toComputeAlone}. ${where}`);
