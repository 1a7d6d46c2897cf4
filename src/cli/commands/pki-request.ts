import { makeKeys, writeKey } from '../../pki/keys.ts';
import { writePems } from '../../pki/pem-files.ts';
import { makeRequest } from '../../pki/request.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { Misuse } from '../misuse.ts';
import { printJson } from '../print-answer.ts';

/** `muster pki request`: a key that never leaves its machine, and the request for its certificate. */
export const pkiRequest = makeCommand({
  path: 'pki request',
  summary: 'Make a key here, and print the request for its certificate',
  details: [
    'Whoever has the key of the CA signs the request with "muster pki sign". So a key never leaves the machine it was made on.',
  ],
  args: [],
  options: {
    key: { type: 'string', value: 'FILE', help: 'Where the key is put' },
    force: { type: 'boolean', help: 'Replace a key that is there already' },
  },
  examples: [{ line: 'muster pki request --key /etc/muster/pki/node-key.pem', does: 'print the request' }],
  async run(context, { flag, value }) {
    const path = value('key');
    if (path === undefined) throw new Misuse('Cannot make a key: expected --key FILE, where it is put');
    const keys = await makeKeys();
    const request = await makeRequest(keys);
    await writePems([{ path, content: await writeKey(keys), secret: true }], flag('force'));
    if (context.json) printJson(context, { key: path, request });
    else context.stdout.write(request);
    return exitCodes.done;
  },
});
