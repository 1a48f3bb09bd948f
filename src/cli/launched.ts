/** `launch` sets this variable for the processes that it starts. */
export const launchedMark = 'L2T_LAUNCHED';

/** Calls `end` when the launcher of this process is gone, if one started it. */
export function onLauncherGone(end: () => void): void {
  if (process.env[launchedMark] === undefined || process.channel === undefined) return;
  process.on('disconnect', end);
  // Waiting for that alone does not keep the process alive.
  process.channel.unref();
}
