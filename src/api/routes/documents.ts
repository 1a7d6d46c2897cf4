import type { Route } from '../route.ts';

/** What the API says of itself. */
export const documentRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/openapi.json',
    role: 'viewer',
    summary: 'This API, as OpenAPI 3.1.',
    unjoined: true,
    handle: async () => {
      const { default: document } = await import('../openapi.json', { with: { type: 'json' } });
      return document;
    },
  },
];
