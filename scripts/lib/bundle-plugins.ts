import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

/** etcd3 reads its .proto files from beside its own source at run time; in the bundle their parsed form takes their place. */
export const embedEtcdProtos: Plugin = {
  name: 'embed-etcd-protos',
  setup(build) {
    build.onLoad({ filter: /etcd3[\\/]lib[\\/]connection-pool\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const protoFile = join(dirname(path), '..', 'proto', 'rpc.proto');
      const json = JSON.stringify(parseProto(protoFile, path));
      const call = 'proto_loader_1.loadSync)(`' + '${' + '__dirname}/../proto/rpc.proto`,';
      const contents = source.replace(call, () => `proto_loader_1.fromJSON)(${json},`);
      if (contents === source) throw new Error(`Cannot embed the protos into "${path}": expected it to call ${call}`);
      return { contents, loader: 'js' };
    });
  },
};

/**
 * The JSON descriptor that protobufjs, as etcd3 finds it, makes of a .proto file. Read synchronously: the order of its parts
 * is the order in which the imported files were read, and the same inputs must give the same bytes.
 */
function parseProto(protoFile: string, from: string): unknown {
  const loaderPath = createRequire(from).resolve('@grpc/proto-loader');
  const protobuf = createRequire(loaderPath)('protobufjs') as {
    Root: new () => { loadSync(file: string, options: object): { toJSON(): unknown } };
  };
  // The names stay as they are written: proto-loader changes them itself, by the options of etcd3's call.
  return new protobuf.Root().loadSync(protoFile, { keepCase: true }).toJSON();
}

/** What dockerode and docker-modem load for features that we do not use: SSH, BuildKit, building from a directory. */
export const stubUnused: Plugin = {
  name: 'stub-unused',
  setup(build) {
    const stub = { path: 'stub', namespace: 'stub' };
    build.onResolve({ filter: /^(ssh2|tar-fs|@balena\/dockerignore)$/ }, () => stub);
    build.onResolve({ filter: /^\.\/(session|buildkit)$/ }, ({ importer }) =>
      importer.includes(join('node_modules', 'dockerode')) ? stub : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'stub' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};
