import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExecRequest } from '../../../src/wire/exec-frames.ts';

const refused: readonly (readonly [what: string, text: string])[] = [
  ['no JSON', '{'],
  ['no object', '[]'],
  ['something else', '{"stop":true}'],
  ['no command', '{"start":{"input":true}}'],
  ['an empty command', '{"start":{"command":[],"input":true}}'],
  ['an empty program', '{"start":{"command":[""],"input":true}}'],
  ['a zero character', '{"start":{"command":["a\\u0000b"],"input":true}}'],
  ['numbers as arguments', '{"start":{"command":["a",1],"input":true}}'],
  ['no word on input', '{"start":{"command":["a"]}}'],
  ['a terminal without a size', '{"start":{"command":["a"],"input":true,"terminal":{"type":"xterm"}}}'],
  ['a type that is none', '{"start":{"command":["a"],"input":true,"terminal":{"type":"a=b","columns":1,"rows":1}}}'],
  ['a size of nothing', '{"resize":{"columns":0,"rows":10}}'],
  ['a size of a half', '{"resize":{"columns":1.5,"rows":10}}'],
  ['a huge size', '{"resize":{"columns":100000,"rows":10}}'],
  ['the end of something else', '{"end":"stdout"}'],
];
for (const [what, text] of refused) {
  test(`parseExecRequest() refuses ${what}`, () => {
    assert.throws(() => parseExecRequest(text), { code: 'INVALID_INPUT' });
  });
}

test('parseExecRequest() takes what clients say, and nothing more of it', () => {
  const terminal = { type: 'xterm-256color', columns: 80, rows: 24 };
  const start = { command: ['sh', '-c', 'echo "$HOME"'], input: true, terminal };
  assert.deepEqual(parseExecRequest(JSON.stringify({ start: { ...start, user: 'root' } })), { start });
  assert.deepEqual(parseExecRequest('{"resize":{"columns":1,"rows":2}}'), { resize: { columns: 1, rows: 2 } });
  assert.deepEqual(parseExecRequest('{"end":"stdin"}'), { end: 'stdin' });
});
