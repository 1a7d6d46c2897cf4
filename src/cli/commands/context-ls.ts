import { type ContextEntry, LOCAL_CONTEXT } from '../../input/contexts-file.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { describeContext } from '../context-description.ts';
import { loadContexts } from '../contexts.ts';
import { printJson, printNames, printTable } from '../print-answer.ts';
import type { Column } from '../table.ts';

const columns: readonly Column[] = [
  { title: 'CONTEXT' },
  { title: 'IN USE' },
  { title: 'CLUSTER' },
  { title: 'AS' },
  { title: 'ENDPOINT', shrinks: true },
  { title: 'CERTIFICATE' },
];

/** `muster context ls`. */
export const contextLs = makeCommand({
  path: 'context ls',
  summary: 'List the clusters that this machine knows, and which one is in use',
  details: [],
  args: [],
  options: {},
  examples: [{ line: 'muster context ls', does: 'one line a context' }],
  async run(context) {
    const { current, contexts } = loadContexts(context.env);
    const all: readonly (readonly [string, ContextEntry | undefined])[] = [[LOCAL_CONTEXT, undefined], ...contexts];
    const rows = await Promise.all(all.map(([name, entry]) => describeContext(context, { name, entry, current })));
    if (context.json) printJson(context, { contexts: rows });
    else if (context.quiet)
      printNames(
        context,
        rows.map(({ name }) => name),
      );
    else {
      const cells = rows.map((row) => [
        { text: row.name, tone: 'strong' as const },
        { text: row.current ? 'yes' : '-', tone: row.current ? ('good' as const) : ('dim' as const) },
        { text: row.cluster ?? '-' },
        { text: row.as ?? '-' },
        { text: row.endpoint },
        { text: row.certificate, tone: row.usable ? ('plain' as const) : ('bad' as const) },
      ]);
      printTable(context, columns, cells, 'No contexts.');
    }
    return exitCodes.done;
  },
});
