import { apiTargets } from './api-targets.ts';
import { configTargets } from './config-targets.ts';
import { inputTargets } from './input-targets.ts';
import { storeTargets } from './store-targets.ts';
import type { FuzzTarget } from './target.ts';

/** Every parser that takes what others wrote. */
export const fuzzTargets: readonly FuzzTarget[] = [...inputTargets, ...storeTargets, ...configTargets, ...apiTargets];
