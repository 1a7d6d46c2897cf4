// Runs test files in one process, one after the other, so that they share what one of them opened. Not through
// `node --test`: that ends the process on a signal before an opened lab could be closed.
import { basename } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    test(`${basename(file)} loads`, () => {
      throw error;
    });
  }
}
