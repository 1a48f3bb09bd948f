/** A real SLURM of one node on this machine, as root: slurmctld, slurmd and munge of Debian, with all state in a folder. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';

export const slurmPackages = ['slurmctld', 'slurmd', 'slurm-client', 'munge'];

function configuration(folder: string): string {
  const [host] = hostname().split('.');
  return `ClusterName=local
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/run/slurmctld.pid
SlurmdPidFile=${folder}/run/slurmd.pid
SlurmctldLogFile=${folder}/log/slurmctld.log
SlurmdLogFile=${folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

/** munge tells the daemons of one cluster from others. It may run already. */
function startMunge(): string | undefined {
  if (spawnSync('munge', ['-n'], { stdio: 'ignore' }).status === 0) return undefined;
  mkdirSync('/run/munge', { recursive: true });
  execFileSync('chown', ['munge:', '/run/munge']);
  const pidFile = '/run/munge/munged.pid';
  execFileSync('su', ['-s', '/bin/sh', 'munge', '-c', `/usr/sbin/munged --pid-file=${pidFile}`], { stdio: 'ignore' });
  return pidFile;
}

/**
 * Starts it. `env` has the variables by which srun and sbatch find it.
 * @throws Error if the node is not ready within half a minute.
 */
export async function startSlurm(folder: string): Promise<{ env: NodeJS.ProcessEnv; stop: () => void }> {
  for (const name of ['state', 'spool', 'log', 'run']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'slurm.conf'), configuration(folder));
  writeFileSync(join(folder, 'cgroup.conf'), 'CgroupPlugin=disabled\n');
  const env = { SLURM_CONF: join(folder, 'slurm.conf') };
  const whole = { ...process.env, ...env };
  const munge = startMunge();
  const stop = (): void => {
    const files = readdirSync(join(folder, 'run')).map((name) => join(folder, 'run', name));
    for (const file of [...files, ...(munge ? [munge] : [])]) end(file);
  };
  try {
    for (const daemon of ['slurmctld', 'slurmd']) execFileSync(daemon, [], { env: whole, stdio: 'ignore' });
    for (let tries = 0; !isIdle(whole); tries++) {
      if (tries === 60) throw new Error(`the node is not ready; see ${folder}/log`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  } catch (error) {
    stop();
    throw error;
  }
  return { env, stop };
}

const isIdle = (env: NodeJS.ProcessEnv): boolean =>
  /idle/.test(spawnSync('sinfo', ['-h', '-o', '%T'], { env, encoding: 'utf8' }).stdout ?? '');

function end(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')));
  } catch {
    // It has ended already.
  }
}
