/** Lines of an apt sources file, with these sections, from what `apt-get indextargets` prints. */
export function sourcesWith(sections: readonly string[], targets: string): string[];
