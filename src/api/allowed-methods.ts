import type { Route } from './route.ts';

/** The methods that a path takes, by all routes; none for a path that isn't ours. */
export function makeAllowedMethods(routes: readonly Pick<Route, 'method' | 'path'>[]): (path: string) => string[] {
  const patterns = routes.map(({ method, path }) => ({ method, pattern: patternOf(path) }));
  return (path) => {
    const methods = new Set(patterns.flatMap(({ method, pattern }) => (pattern.test(path) ? [method] : [])));
    const all: string[] = methods.has('GET') ? [...methods, 'HEAD'] : [...methods];
    return all.sort();
  };
}

function patternOf(path: string): RegExp {
  const parts = path
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}
