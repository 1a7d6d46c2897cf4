import { holdStorms } from './hold-storms.ts';

// In a file of its own, so that it runs beside the first storms.
for (const first of [241, 281, 321, 361, 401, 441, 481]) holdStorms(first, 40);
holdStorms(10_001, 120);
