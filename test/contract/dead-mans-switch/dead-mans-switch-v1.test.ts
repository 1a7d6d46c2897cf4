import { switchContract } from './suite.ts';

switchContract(1);
