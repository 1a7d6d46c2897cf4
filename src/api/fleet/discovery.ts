const text = { type: 'string' } as const;
const page = { nextPageToken: { ...text, location: 'query' } } as const;
const unitName = { unitName: { ...text, location: 'path', required: true } } as const;
const byName = { path: 'units/{unitName}', parameters: unitName, parameterOrder: ['unitName'] } as const;
const jobState = { ...text, enum: ['inactive', 'loaded', 'launched'] } as const;

const listOf = (schema: string) => ({ type: 'array', items: { $ref: schema } });
const object = (id: string, properties: Readonly<Record<string, unknown>>) => ({
  [id]: { id, type: 'object', properties },
});
const pageOf = (id: string, name: string, schema: string) =>
  object(id, { [name]: listOf(schema), nextPageToken: text });

/** `GET /fleet/v1/discovery`: fleet's API v1, as Google's discovery documents describe one. */
export const discoveryDocument = {
  kind: 'discovery#restDescription',
  discoveryVersion: 'v1',
  id: 'fleet:v1',
  name: 'schema',
  version: 'v1',
  title: 'fleet API',
  description: '',
  documentationLink: 'http://github.com/coreos/fleet',
  protocol: 'rest',
  icons: { x16: '', x32: '' },
  labels: [],
  baseUrl: '$ENDPOINT/fleet/v1/',
  basePath: '/fleet/v1/',
  rootUrl: '$ENDPOINT/',
  servicePath: 'fleet/v1/',
  batchPath: 'batch',
  parameters: {},
  auth: {},
  schemas: {
    ...object('Machine', {
      id: text,
      primaryIP: text,
      metadata: { type: 'object', properties: {}, additionalProperties: text },
    }),
    ...pageOf('MachinePage', 'machines', 'Machine'),
    ...object('UnitOption', { section: text, name: text, value: text }),
    ...object('Unit', {
      name: text,
      options: listOf('UnitOption'),
      desiredState: jobState,
      currentState: jobState,
      machineID: { ...text, required: true },
    }),
    ...pageOf('UnitPage', 'units', 'Unit'),
    ...object('UnitState', {
      name: text,
      hash: text,
      machineID: text,
      systemdLoadState: text,
      systemdActiveState: text,
      systemdSubState: text,
    }),
    ...pageOf('UnitStatePage', 'states', 'UnitState'),
  },
  resources: {
    Machines: {
      methods: {
        List: {
          id: 'fleet.Machine.List',
          description: 'Retrieve a page of Machine objects.',
          httpMethod: 'GET',
          path: 'machines',
          parameters: page,
          response: { $ref: 'MachinePage' },
        },
      },
    },
    Units: {
      methods: {
        List: {
          id: 'fleet.Unit.List',
          description: 'Retrieve a page of Unit objects.',
          httpMethod: 'GET',
          path: 'units',
          parameters: page,
          response: { $ref: 'UnitPage' },
        },
        Get: {
          id: 'fleet.Unit.Get',
          description: 'Retrieve a single Unit object.',
          httpMethod: 'GET',
          ...byName,
          response: { $ref: 'Unit' },
        },
        Delete: {
          id: 'fleet.Unit.Delete',
          description: 'Delete the referenced Unit object.',
          httpMethod: 'DELETE',
          ...byName,
        },
        Set: {
          id: 'fleet.Unit.Set',
          description: 'Create or update a Unit.',
          httpMethod: 'PUT',
          ...byName,
          request: { $ref: 'Unit' },
        },
      },
    },
    UnitState: {
      methods: {
        Get: {
          id: 'fleet.UnitState.Get',
          description: 'Retrieve a single UnitState object.',
          httpMethod: 'GET',
          ...byName,
          path: 'state/{unitName}',
          response: { $ref: 'UnitState' },
        },
        List: {
          id: 'fleet.UnitState.List',
          description: 'Retrieve a page of UnitState objects.',
          httpMethod: 'GET',
          path: 'state',
          parameters: {
            ...page,
            unitName: { ...text, location: 'query' },
            machineID: { ...text, location: 'query' },
          },
          response: { $ref: 'UnitStatePage' },
        },
      },
    },
  },
} as const;
