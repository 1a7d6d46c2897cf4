import type { WorkloadDocument } from '../domain/document.ts';
import { AgentError } from '../domain/errors.ts';
import { isUnitName } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import { quote, refuse } from './refuse.ts';
import { type ParsedDocument, parseUnitDocument } from './unit-document.ts';

/** A file as it was read. `path` is what messages say; its last part names a unit. */
export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Every workload of all files, in order. */
export interface ParsedInput {
  readonly documents: readonly WorkloadDocument[];
  /** What is odd and yet accepted, each with file and line. */
  readonly warnings: readonly string[];
}

/**
 * Unit files and YAML documents to workloads. All or nothing: one bad file, and none is accepted. A file whose name is a unit's
 * is a unit file, any other is YAML. Throws `INVALID_INPUT` or `LIMIT` with file and line.
 */
export async function parseInput(files: readonly InputFile[]): Promise<ParsedInput> {
  const parsed: ParsedDocument[] = [];
  for (const file of files) parsed.push(...(await parseFile(file)));
  refuseRepeated(parsed);
  return { documents: parsed.map(({ document }) => document), warnings: parsed.flatMap(({ warnings }) => warnings) };
}

async function parseFile(file: InputFile): Promise<ParsedDocument[]> {
  const text = decodeText(file);
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  if (isUnitName(name)) return [parseUnitDocument(name, text, { file: file.path, line: 1 })];
  const { parseYamlDocuments } = await import('./yaml-document.ts'); // a unit needs no YAML: it costs a command its start
  const documents = parseYamlDocuments(text, file.path);
  if (documents.length > 0) return documents;
  throw refuse('this file', { file: file.path, line: 1 }, 'at least one workload in YAML, or a unit file by its name');
}

/** The text exactly: a byte that isn't UTF-8 is refused, a byte order mark is kept. */
function decodeText({ path, bytes }: InputFile): string {
  if (bytes.length > LIMITS.fileBytes) {
    throw new AgentError('LIMIT', `Cannot read ${path} of ${bytes.length} bytes: expected at most ${LIMITS.fileBytes}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot read ${path}: expected UTF-8 text`, { cause });
  }
}

function refuseRepeated(parsed: readonly ParsedDocument[]): void {
  const seen = new Map<string, ParsedDocument>();
  for (const each of parsed) {
    const first = seen.get(each.document.name);
    if (first !== undefined) {
      const where = `${first.at.file}:${first.at.line}`;
      throw refuse(`name ${quote(each.document.name)}`, each.at, `each name once; it is also at ${where}`);
    }
    seen.set(each.document.name, each);
  }
}
