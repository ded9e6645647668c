import type { Schema } from './definition.ts';
import { etcdAddresses, path, text, timeout } from './value-types.ts';

/** Settings of etcd, where the nodes of one scope meet. Names of Patroni's etcd3 settings are understood. */
export const ETCD: Pick<
  Schema,
  | 'nodeName'
  | 'etcdEndpoints'
  | 'etcdUser'
  | 'etcdPassword'
  | 'etcdCaFile'
  | 'etcdCertFile'
  | 'etcdKeyFile'
  | 'etcdNamespace'
  | 'etcdTimeout'
  | 'etcdLease'
> = {
  nodeName: {
    name: 'node-name',
    type: text,
    variables: ['PATRONI_NAME'],
    fallback: ({ hostname }) => hostname,
    fallbackText: "the host's name",
    description: 'name of this node in etcd; no two nodes of a scope have the same',
  },
  etcdEndpoints: {
    name: 'etcd-endpoints',
    type: etcdAddresses,
    variables: ['ETCD_HOST_PORT', 'PATRONI_ETCD3_HOSTS'],
    fallback: () => [],
    description: "etcd that holds the cluster's state: HOST:PORT or URLs",
  },
  etcdUser: {
    name: 'etcd-user',
    type: text,
    variables: ['PATRONI_ETCD3_USERNAME'],
    description: 'user in etcd; a role that may read and write the keys of the scope',
  },
  etcdPassword: {
    name: 'etcd-password',
    type: text,
    variables: ['PATRONI_ETCD3_PASSWORD'],
    secret: true,
    description: 'its password',
  },
  etcdCaFile: {
    name: 'etcd-ca-file',
    type: path,
    variables: ['PATRONI_ETCD3_CACERT'],
    description: "certificate authorities (PEM) that may sign etcd's certificate",
  },
  etcdCertFile: {
    name: 'etcd-cert-file',
    type: path,
    variables: ['PATRONI_ETCD3_CERT'],
    description: 'client certificate for etcd (PEM)',
  },
  etcdKeyFile: {
    name: 'etcd-key-file',
    type: path,
    variables: ['PATRONI_ETCD3_KEY'],
    description: 'key of the client certificate for etcd (PEM)',
  },
  etcdNamespace: {
    name: 'etcd-namespace',
    type: text,
    variables: ['PATRONI_NAMESPACE'],
    fallback: () => '/service/',
    description: "begins all keys in etcd, as Patroni's namespace",
  },
  etcdTimeout: {
    name: 'etcd-timeout',
    type: timeout(1),
    fallback: () => 3000,
    description: 'deadline of one request to etcd',
  },
  etcdLease: {
    name: 'etcd-lease',
    type: timeout(5000),
    fallback: () => 30_000,
    description: 'a node that was not heard of for so long has lost its locks to the others',
  },
};
