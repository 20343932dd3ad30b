import type { ObjectName, OptionalObjectName, QualifiedName } from './types.ts';

/** How clients outside the cluster reach the gateway. */
export interface Ingress {
  /** Whether it is rendered. */
  enabled: boolean;
  /**
   * `ingress`: an Ingress with the annotations of ingress-nginx; `httpRoute`: an HTTPRoute of the Gateway API
   * (gateway.networking.k8s.io/v1), whose CRDs have to be there.
   */
  kind: 'ingress' | 'httpRoute';
  /** Class of the Ingress. */
  className: ObjectName;
  /**
   * Host name that clients use.
   * @pattern ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
   * @maxLength 253
   */
  host: string;
  /** Encryption of what comes from outside. */
  tls: IngressTls;
  /** The Gateway that the HTTPRoute is attached to, where `kind` is `httpRoute`. */
  gateway: EdgeGateway;
  /** Bounds for each address that requests come from, where `kind` is `ingress`; API keys have bounds of their own. */
  rateLimit: RateLimit;
  /** A sign-in before requests are let through, where `kind` is `ingress`. */
  oauth2Proxy: OAuth2Proxy;
  /** Further annotations of what is rendered, which win over the chart's own. */
  annotations: Record<QualifiedName, AnnotationValue>;
}

/**
 * Value of an annotation.
 * @maxLength 8192
 */
export type AnnotationValue = string;

/** TLS of what comes from outside. */
export interface IngressTls {
  /** Whether it is served by TLS; with `kind` `httpRoute`, by the Gateway. */
  enabled: boolean;
  /** Secret with the certificate; made by cert-manager where `issuer` or `clusterIssuer` is set. */
  secretName: ObjectName;
  /** ClusterIssuer of cert-manager that makes the certificate; empty where the Secret comes from elsewhere. */
  clusterIssuer: OptionalObjectName;
  /** Issuer of cert-manager in the release's namespace that makes it instead; empty for none. */
  issuer: OptionalObjectName;
  /**
   * Whether clients of plain HTTP are sent to HTTPS: `never`; `withTls`: where `enabled`; `always`: also where TLS ends at a
   * load balancer in front of the ingress controller, which says so by X-Forwarded-Proto.
   */
  redirect: 'never' | 'withTls' | 'always';
}

/** A Gateway of the Gateway API. */
export interface EdgeGateway {
  /** Whether the chart makes it; otherwise it is there already, and lets routes of the release's namespace attach. */
  create: boolean;
  /** Its GatewayClass, where the chart makes it. */
  className: OptionalObjectName;
  /** Its name; empty, where the chart makes it, for `model-management`. */
  name: OptionalObjectName;
  /** Its namespace; empty for the release's own. */
  namespace: OptionalObjectName;
  /** Name of its listener that ends TLS; empty for whichever takes the host. */
  listener: OptionalObjectName;
  /** Name of its listener for plain HTTP, from which clients are sent to HTTPS where `tls` says so; empty for whichever takes the host. */
  httpListener: OptionalObjectName;
}

/** Bounds of ingress-nginx, each of whose pods counts by itself; what is over them is refused with status 503 unless its settings say otherwise. */
export interface RateLimit {
  /**
   * Requests in a second; 0 for no bound.
   * @asType integer
   * @minimum 0
   * @maximum 1000000
   */
  requestsPerSecond: number;
  /**
   * Requests in a minute; 0 for no bound.
   * @asType integer
   * @minimum 0
   * @maximum 1000000
   */
  requestsPerMinute: number;
  /**
   * Requests at the same time, of which each answer that is streamed is one; 0 for no bound.
   * @asType integer
   * @minimum 0
   * @maximum 1000000
   */
  connections: number;
  /**
   * How many times as many requests as in a second (or minute) may come at once.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  burstMultiplier: number;
  /**
   * Addresses that have no bounds.
   * @maxItems 64
   */
  exempt: AddressRange[];
}

/**
 * A block of addresses, such as `10.0.0.0/8` or `fd00::/8`.
 * @pattern ^([0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-f]{0,4}:[0-9a-f:]{1,37}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$
 */
export type AddressRange = string;

/** An oauth2-proxy that is there already. */
export interface OAuth2Proxy {
  /** Whether it is asked. */
  enabled: boolean;
  /** `statusPage`: for the pages under `/ui` alone, with an Ingress of their own; `everything`: for all requests, which keeps programs out. */
  protect: 'statusPage' | 'everything';
  /** Where ingress-nginx asks whether somebody is signed in, such as `http://oauth2-proxy.auth.svc.cluster.local/oauth2/auth`. */
  url: OptionalUrl;
  /** Where browsers sign in, such as `https://auth.example.com/oauth2/start`; empty to answer 401 instead. */
  signinUrl: OptionalUrl;
}

/**
 * An address by HTTP or HTTPS, or nothing.
 * @pattern ^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?)?$
 * @maxLength 1024
 */
export type OptionalUrl = string;
