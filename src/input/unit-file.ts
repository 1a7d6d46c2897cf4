import { quote, refuse } from './refuse.ts';

/** One assignment of a unit file, as systemd reads it. */
export interface UnitOption {
  readonly section: string;
  readonly key: string;
  /** Continuation lines joined, outer blanks removed; quotes and escapes as written: their meaning is the key's business. */
  readonly value: string;
  readonly line: number;
}

/** A unit file's assignments in order. The text itself is what runs; this only tells what it says. */
export interface UnitFile {
  readonly options: readonly UnitOption[];
  readonly sections: readonly { readonly name: string; readonly line: number }[];
}

/**
 * Reads a unit file by systemd.syntax(7): sections, `key=value`, comments (`#`, `;`) also between continued lines, a backslash
 * that continues a line, CRLF. What systemd would skip with a warning is refused here with its line.
 */
export function parseUnitFile(text: string, file: string): UnitFile {
  const options: UnitOption[] = [];
  const sections: { name: string; line: number }[] = [];
  for (const { text: entry, line } of logicalLines(text)) {
    if (entry === '') continue;
    if (entry.startsWith('[')) {
      if (!/^\[[^[\]\n]+\]$/.test(entry))
        throw refuse(`section ${quote(entry)}`, { file, line }, 'a section as "[Service]"');
      sections.push({ name: entry.slice(1, -1), line });
      continue;
    }
    const section = sections.at(-1);
    if (section === undefined)
      throw refuse(`line ${quote(entry)}`, { file, line }, 'a section, as "[Unit]", before it');
    const equals = entry.indexOf('=');
    const key = entry.slice(0, Math.max(equals, 0)).trim();
    if (key === '') throw refuse(`line ${quote(entry)}`, { file, line }, '"key=value"');
    options.push({ section: section.name, key, value: entry.slice(equals + 1).trim(), line });
  }
  return { options, sections };
}

/** The lines after joining, without comments, each with the number of its first line. */
function* logicalLines(text: string): Generator<{ readonly text: string; readonly line: number }> {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  let open: { text: string; line: number } | undefined;
  for (const [at, raw] of lines.entries()) {
    const line = (raw.endsWith('\r') ? raw.slice(0, -1) : raw).replace(/^[ \t]+/, '');
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const joined = { text: (open?.text ?? '') + line, line: open?.line ?? at + 1 };
    if (endsInBackslash(line)) {
      open = { text: `${joined.text.slice(0, -1)} `, line: joined.line };
      continue;
    }
    open = undefined;
    yield { text: joined.text.trim(), line: joined.line };
  }
  if (open !== undefined) yield { text: open.text.trim(), line: open.line };
}

/** Two backslashes are one that is escaped: they continue nothing. */
function endsInBackslash(line: string): boolean {
  const run = /\\+$/.exec(line)?.[0].length ?? 0;
  return run % 2 === 1;
}
