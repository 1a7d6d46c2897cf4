import type { Output, Paint, Tone } from './context.ts';

const codes: Readonly<Record<Tone, string>> = { plain: '', good: '32', bad: '31', warn: '33', dim: '2', strong: '1' };

/** Colours for a terminal that wants them (no-color.org), else none. */
export function makePaint(output: Output, env: Readonly<Record<string, string | undefined>>, noColor: boolean): Paint {
  const wanted = output.isTTY && !noColor && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  if (!wanted) return (text) => text;
  return (text, tone) => (tone === 'plain' || text === '' ? text : `\u001b[${codes[tone]}m${text}\u001b[0m`);
}
