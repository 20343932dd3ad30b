import type { LabelValue, QualifiedName, ServerName } from './types.ts';

/** Who may connect to whom (docs/security.md). */
export interface NetworkPolicy {
  /** Whether it is rendered; the cluster's network has to enforce it. */
  enabled: boolean;
  /** Whether pods of the namespace that are not the release's are denied everything as well: for a namespace of its own. */
  denyNamespace: boolean;
  /**
   * What enforces it: `kubernetes`: NetworkPolicies alone, which know addresses and no names; `cilium`: CiliumNetworkPolicies
   * beside them, for names, DNS and the API server; `eksAutoMode`: ApplicationNetworkPolicies of EKS Auto Mode beside them, for
   * names.
   */
  engine: 'kubernetes' | 'cilium' | 'eksAutoMode';
  /** Who may send requests to the gateway, by a name of your own: ingress controllers, and clients in the cluster. */
  clients: Record<ServerName, Client>;
  /** Prometheus: it reads the metrics of all pods, and the forecaster asks it. */
  prometheus: PeerWithPorts;
  /** DNS. */
  dns: PeerWithPorts;
  /** The API server, which the gateway watches; Cilium knows it by itself. */
  apiServer: Addresses;
  /** Where models come from. */
  modelRegistry: RegistryPeer;
  /** The proxy of `modelRegistry.httpsProxy`, through which models are pulled instead. */
  httpsProxy: Peer;
  /** The collector of `tracing.endpoint`. */
  collector: Peer;
  /** Where copies are kept, where `backup.repository` is an address. */
  backupRepository: PeerWithPorts;
  /** The inference gateway and its endpoint pickers, where `inferencePool` is enabled. */
  inferenceGateway: Peer;
}

/** Pods or addresses; nobody where all of it is empty. */
export interface Peer {
  /** Labels of the namespace of the pods; without any, the release's own. */
  namespaceLabels: Record<QualifiedName, LabelValue>;
  /** Labels of the pods; without any, all of these namespaces. */
  podLabels: Record<QualifiedName, LabelValue>;
  /**
   * Blocks of addresses.
   * @maxItems 64
   */
  addresses: AddressBlock[];
}

/** A peer that leaves out what is empty; its schema is made as that of ServerOverrides. */
export type Client = Partial<Peer>;

/** Pods or addresses, and the ports at which they are asked. */
export interface PeerWithPorts extends Peer {
  /**
   * Ports, as the pods have them and not as their Service does.
   * @maxItems 16
   */
  ports: Port[];
}

/** Addresses, and the ports at which they are asked. */
export interface Addresses {
  /**
   * Blocks of addresses.
   * @maxItems 64
   */
  addresses: AddressBlock[];
  /**
   * Ports, as they are behind a Service.
   * @maxItems 16
   */
  ports: Port[];
}

/** The model registry, by names where the engine knows them, else by addresses. */
export interface RegistryPeer extends PeerWithPorts {
  /**
   * Its host names, those included that blobs are redirected to; `*.` stands for one label or more.
   * @maxItems 32
   */
  names: HostPattern[];
}

/**
 * A block of addresses, such as `10.0.0.0/8` or `fd00::/8`; `private` for those of private networks, `public` for all others but
 * for links' own, with which machines ask for metadata.
 * @pattern ^(private|public|[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-f]{0,4}:[0-9a-f:]{1,37}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$
 */
export type AddressBlock = string;

/**
 * A host name, or one with `*.` before it.
 * @pattern ^([*][.])?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
 * @maxLength 253
 */
export type HostPattern = string;

/**
 * A port of TCP or UDP.
 * @asType integer
 * @minimum 1
 * @maximum 65535
 */
export type Port = number;
