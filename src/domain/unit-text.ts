/** Sections that systemd ignores and that say where and how often a unit runs: muster's own, and fleet's. */
const placementSections = ['[X-Muster]', '[X-Fleet]'];

/**
 * What systemd reads of a unit's text: all but the sections about its placement. Two texts that are the same in this need no
 * restart when one takes the place of the other.
 */
export function withoutPlacementSections(text: string): string {
  let isPlacement = false;
  let isContinued = false;
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    const isComment = /^\s*[#;]/.test(line);
    if (!isComment) {
      if (!isContinued && /^\s*\[/.test(line)) isPlacement = placementSections.includes(line.trim());
      // systemd's rule: a backslash that is not itself escaped.
      isContinued = (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1;
    }
    if (!isPlacement) kept.push(line);
  }
  return kept.join('\n').trimEnd();
}
