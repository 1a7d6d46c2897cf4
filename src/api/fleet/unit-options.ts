import { createHash } from 'node:crypto';

/** One assignment of a unit file, as fleet's API has it: `value` may hold a backslash and a new line, where the file continues one. */
export interface FleetOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/** A line that ends the text, and where the text goes on. */
interface Lines {
  readonly all: readonly string[];
  at: number;
}

/**
 * The options of a unit's text, read as fleet's own library reads them, so that clients compute the hash that they had computed of
 * the file: comments are lost, continued lines keep their backslash. What it would refuse is left out: the text itself is what runs.
 */
export function parseOptions(text: string): FleetOption[] {
  const options: FleetOption[] = [];
  const lines: Lines = { all: text.split('\n'), at: 0 };
  let section: string | undefined;
  for (; lines.at < lines.all.length; lines.at += 1) {
    const line = (lines.all[lines.at] ?? '').trimStart();
    if (line.startsWith('#') || line.startsWith(';')) skipContinued(lines);
    else if (line.startsWith('[')) section = line.slice(1, Math.max(1, line.indexOf(']')));
    else if (section !== undefined && line.includes('=')) {
      const name = line.slice(0, line.indexOf('=')).trim();
      options.push({ section, name, value: readValue(lines, line.slice(line.indexOf('=') + 1)) });
    }
  }
  return options;
}

/** A comment goes on where its line ends in a backslash. */
function skipContinued(lines: Lines): void {
  while (/\\ ?$/.test(lines.all[lines.at] ?? '') && lines.at + 1 < lines.all.length) lines.at += 1;
}

function readValue(lines: Lines, first: string): string {
  let value = '';
  for (let line = first; line.trim() !== ''; line = lines.all[lines.at] ?? '') {
    value += line;
    if (!line.endsWith('\\') || lines.at + 1 >= lines.all.length) break;
    value += '\n';
    lines.at += 1;
  }
  return value.endsWith('\n') ? `${value.trim()}\n` : value.trim();
}

/** The text of a unit file, as fleet's own library writes it: the options of one section together, in order of its first one. */
export function composeText(options: readonly FleetOption[]): string {
  const sections = new Map<string, string>();
  for (const { section, name, value } of options) {
    sections.set(section, `${sections.get(section) ?? ''}${name}=${value}\n`);
  }
  return [...sections].map(([section, lines]) => `[${section}]\n${lines}`).join('\n');
}

/** What fleet tells units apart by: 40 hexadecimal digits. Clients cut it to 7. */
export function hashOptions(options: readonly FleetOption[]): string {
  return createHash('sha1').update(composeText(options)).digest('hex');
}

/** True when the text of these options says the same again: no name, section or value smuggles in another line. */
export function survivesAsText(options: readonly FleetOption[]): boolean {
  if (options.some(({ section, name }) => section.trim() === '' || name === '')) return false;
  const sections = [...new Set(options.map(({ section }) => section))];
  const sent = sections.flatMap((name) => options.filter(({ section }) => section === name));
  const read = parseOptions(composeText(options));
  return read.length === sent.length && read.every((option, at) => isSame(option, sent[at]));
}

/** What a file says around a value is lost with it. */
function isSame(read: FleetOption, sent: FleetOption | undefined): boolean {
  return read.section === sent?.section && read.name === sent.name && read.value.trim() === sent.value.trim();
}
