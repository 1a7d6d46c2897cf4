import { holdStorms } from './hold-storms.ts';

// In a file of its own, so that it runs beside the first storms.
for (const first of [121, 161]) holdStorms(first, 40);
holdStorms(10_001, 120);
