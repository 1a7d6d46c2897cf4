// node test/lab/sweep.ts [number…]: removes what labs left whose owner is gone; with numbers, those labs at once.
import { deadLabs } from './ownership.ts';
import { removeDeadLabs, removeLab } from './residue.ts';

const progress = (line: string): void => {
  process.stderr.write(`muster: ${line}\n`);
};
const numbers = process.argv.slice(2).map(Number);
const dead = await deadLabs();
for (const number of numbers) {
  if (dead.includes(number)) await removeLab(number);
  else progress(`lab ${number}: there is none, or its owner is alive`);
}
if (numbers.length === 0) await removeDeadLabs(progress);
