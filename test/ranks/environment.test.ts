import { describe, expect, it } from 'vitest';
import { firstHost, groupFromEnvironment, launchedProcesses } from '../../src/ranks/environment.js';
import { checkGroup } from '../../src/ranks/options.js';

const torchrun = {
  ...{ RANK: '5', WORLD_SIZE: '8', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4' },
  ...{ MASTER_ADDR: 'node1', MASTER_PORT: '29500' },
};

/** The environment that `srun -N 2 -n 3` sets in a job of two nodes. */
const srun = {
  ...{ SLURM_JOB_ID: '117', SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '3', SLURM_STEP_NUM_NODES: '2' },
  ...{ SLURM_PROCID: '2', SLURM_LOCALID: '0', SLURM_NTASKS: '3', SLURM_STEP_NODELIST: 'node[07,09-11]' },
};

/** The environment that `mpirun -n 2` sets on one host. */
const mpirun = {
  ...{ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', PMIX_NAMESPACE: '3541630977' },
  ...{ OMPI_COMM_WORLD_LOCAL_RANK: '1', OMPI_COMM_WORLD_LOCAL_SIZE: '2' },
};

describe('the place of a process in its group', () => {
  it("is torchrun's", () => {
    const place = { rank: 5, size: 8, master: 'node1:29500', localRank: 1, localSize: 4 };
    expect(groupFromEnvironment(torchrun)).toEqual(place);
    const agent = { ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RUN_ID: 'none' };
    const { master } = groupFromEnvironment(agent) ?? {};
    expect(master).toMatch(/^node1:(1[5-9]|2\d)\d{3}$/);
    expect(master).not.toBe('node1:29500');
    expect(groupFromEnvironment({ ...agent, RANK: '0' })?.master).toBe(master);
    const { LOCAL_RANK, LOCAL_WORLD_SIZE, ...least } = torchrun;
    expect(groupFromEnvironment(least)).toMatchObject({ rank: 5, size: 8, localRank: undefined });
  });

  it("is srun's, with the first host of the step and a port of the job and step", () => {
    const group = groupFromEnvironment(srun);
    expect(group).toMatchObject({
      rank: 2,
      size: 3,
      localRank: 0,
      master: expect.stringMatching(/^node07:[12]\d{4}$/),
    });
    expect(groupFromEnvironment({ ...srun, SLURM_PROCID: '0' })?.master).toBe(group?.master);
    expect(groupFromEnvironment({ ...srun, SLURM_STEP_ID: '1' })?.master).not.toBe(group?.master);
    expect(groupFromEnvironment({ ...srun, SLURM_STEP_NUM_NODES: '1' })?.master).toMatch(/^127\.0\.0\.1:/);
  });

  it("is mpirun's, which must say where rank 0 is if there are several hosts", () => {
    const place = { rank: 1, size: 2, localRank: 1, localSize: 2, master: expect.stringMatching(/^127\.0\.0\.1:\d+$/) };
    expect(groupFromEnvironment(mpirun)).toEqual(place);
    const several = { ...mpirun, OMPI_COMM_WORLD_SIZE: '4' };
    expect(() => groupFromEnvironment(several)).toThrow(/^MASTER_ADDR is not set.* -x MASTER_ADDR=HOST/);
    expect(groupFromEnvironment({ ...several, MASTER_ADDR: 'a', MASTER_PORT: '9' })?.master).toBe('a:9');
  });

  it('is that of the innermost launcher', () => {
    expect(groupFromEnvironment({ ...srun, ...mpirun, ...torchrun })).toMatchObject({ rank: 5 });
    expect(groupFromEnvironment({ ...srun, ...mpirun })).toMatchObject({ rank: 1 });
    // A verb of one process needs no more than the number.
    const { MASTER_ADDR, ...unplaced } = { ...mpirun, OMPI_COMM_WORLD_LOCAL_SIZE: '1' } as Record<string, string>;
    expect(launchedProcesses(unplaced)).toBe(Number(mpirun.OMPI_COMM_WORLD_SIZE));
  });

  const { SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST, SLURM_STEP_NUM_NODES, ...batch } = srun;
  it.each([
    ['nothing', {}],
    ['a batch script', batch],
    [
      'a task of an array',
      { ...batch, SLURM_ARRAY_JOB_ID: '3', SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_COUNT: '4' },
    ],
    ['srun with one task', { ...batch, SLURM_STEP_NUM_TASKS: '1' }],
    ['mpirun with one process', { ...mpirun, OMPI_COMM_WORLD_SIZE: '1', OMPI_COMM_WORLD_RANK: '0' }],
    ['torchrun with one process', { ...torchrun, WORLD_SIZE: '1', RANK: '0' }],
  ])('is alone in %s', (_, env) => {
    expect(groupFromEnvironment(env)).toBeUndefined();
    expect(launchedProcesses(env)).toBeUndefined();
  });

  it.each([
    [{ ...torchrun, RANK: undefined }, 'RANK is not set'],
    [{ ...torchrun, WORLD_SIZE: '' }, 'WORLD_SIZE is not set'],
    [{ ...torchrun, MASTER_PORT: undefined }, 'MASTER_PORT is not set'],
    [{ ...torchrun, MASTER_PORT: '70000' }, "MASTER_PORT is '70000'"],
    [{ ...torchrun, RANK: '8' }, "RANK is '8': it must be below WORLD_SIZE, which is 8"],
    [{ ...torchrun, RANK: '-1' }, "RANK is '-1'"],
    [{ ...torchrun, LOCAL_RANK: 'x' }, "LOCAL_RANK is 'x'"],
    [{ ...srun, SLURM_PROCID: undefined }, 'SLURM_PROCID is not set'],
    [{ ...srun, SLURM_STEP_NODELIST: undefined }, 'SLURM_STEP_NODELIST is not set'],
    [{ ...mpirun, OMPI_COMM_WORLD_RANK: undefined }, 'OMPI_COMM_WORLD_RANK is not set'],
  ])('is refused where the environment is partial or wrong: %#', (env, message) => {
    expect(() => groupFromEnvironment(env)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => groupFromEnvironment(env)).toThrow(message);
    expect(() => groupFromEnvironment(env)).toThrow('--no-group');
  });

  it.each([
    ['node01', 'node01'],
    ['node[01-03,07],big1', 'node01'],
    ['node[7,01-03]', 'node7'],
    ['big1,node[01-03]', 'big1'],
    ['rack[2-3]-n[05-09]x,a', 'rack2-n05x'],
    ['gpu-a100-1.example.org', 'gpu-a100-1.example.org'],
  ])('the first host of %s is %s', (list, host) => {
    expect(firstHost(list)).toBe(host);
  });
});

describe('the option group', () => {
  const valid = { rank: 0, size: 2, master: 'node1:29500' };
  it('takes the address apart, of any kind', () => {
    expect(checkGroup(valid)).toMatchObject({ host: 'node1', port: 29_500, timeout: 300 });
    expect(checkGroup({ ...valid, master: '[fe80::1]:80' })).toMatchObject({ host: 'fe80::1', port: 80 });
    expect(checkGroup({ ...valid, master: 'fe80::1:80' })).toMatchObject({ host: 'fe80::1', port: 80 });
  });

  it.each([
    [{ ...valid, rank: 2 }, 'Option group.rank is 2: it must be below group.size, which is 2.'],
    [{ ...valid, master: 'node1' }, "Option group.master is 'node1': it must be HOST:PORT"],
    [{ ...valid, master: 'node1:65536' }, 'with a port from 1 to 65535'],
    [{ ...valid, timeout: 0 }, 'Option group.timeout is 0'],
    [{ ...valid, ranks: 3 }, "Option group.ranks is unknown: correct its name or leave it out. Did you mean 'rank'?"],
  ])('is checked: %#', (given, message) => {
    expect(() => checkGroup(given)).toThrow(message);
  });
});
