export function onPath(command: string): boolean;
/** How apt-get may be run here: the command's prefix, or the reason why it may not. */
export function aptAccess(): { prefix: string[]; reason?: undefined } | { reason: string };
export function aptCandidate(name: string): string | undefined;
/** Undefined, or why nothing was installed. `accept` sees what is offered and answers a reason if it will not do. */
export function aptInstall(
  names: readonly string[],
  say: (line: string) => void,
  accept?: () => string | undefined,
): string | undefined;
