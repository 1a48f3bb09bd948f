/** Lines of an apt sources file from what `apt-get indextargets` prints. */
export function sourcesWithCuda(targets: string): string[];
