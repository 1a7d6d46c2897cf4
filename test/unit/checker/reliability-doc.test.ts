import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatRow, replaceMeasuredRows } from '../../chaos/reliability-doc.ts';
import { rows } from '../../chaos/rows.ts';
import { simRows } from '../../chaos/sim-rows.ts';

const row = { name: 'one', fault: 'it breaks', mustShow: '0 moved' };

test('a row is replaced by what was measured of it, the others stay', () => {
  const text = `# A\n${formatRow(row)}\n${formatRow({ ...row, name: 'two' })}\n`;
  const now = replaceMeasuredRows(text, [{ ...row, measured: '0 moved (3 ×, $1)', isGood: true }]);
  assert.match(now, /^\| `one` \| it breaks \| 0 moved \| 0 moved \(3 ×, \$1\) \|$/m);
  assert.match(now, /^\| `two` \|.*not yet measured \|$/m);
  const failed = replaceMeasuredRows(text, [{ ...row, measured: '2 moved', isGood: false }]);
  assert.match(failed, /\*\*not kept:\*\* 2 moved/);
});

test('a row that the document does not have is refused', () => {
  assert.throws(() => replaceMeasuredRows('', [{ ...row, measured: '', isGood: true }]), /expected a line for it/);
});

test('the document has a line for each row, with its fault and what it must show', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/reliability.md'), 'utf8');
  for (const { name, fault, mustShow } of [...rows, ...simRows])
    assert.ok(text.includes(`| \`${name}\` | ${fault} | ${mustShow} |`), name);
});
