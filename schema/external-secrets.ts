import type { ObjectName, OptionalObjectName } from './types.ts';
import type { EnvironmentName } from './values.ts';

/**
 * An ExternalSecret (external-secrets.io/v1) for each Secret of the release that is taken from a store of secrets: the operator of
 * External Secrets makes the Secret, and keeps it as the store has it.
 */
export interface ExternalSecrets {
  /** Whether they are rendered; the cluster has to have the operator. */
  enabled: boolean;
  /** The store. */
  secretStoreRef: SecretStoreRef;
  /**
   * Seconds after which the store is asked again.
   * @asType integer
   * @minimum 1
   * @maximum 604800
   */
  refreshSeconds: number;
  /** Where the store has the file of keys, for `gateway.apiKeys.existingSecret`; without a key, that Secret comes from elsewhere. */
  apiKeys: RemoteSecret;
  /** Where it has each variable for `backup.existingSecret`, RESTIC_PASSWORD among them; without any, that Secret comes from elsewhere. */
  backup: Record<EnvironmentName, RemoteSecret>;
  /** Where it has the file `.dockerconfigjson` for Secrets that `imagePullSecrets` names, by their names. */
  imagePullSecrets: Record<ObjectName, RemoteSecret>;
}

/** A SecretStore of the namespace, or a ClusterSecretStore. */
export interface SecretStoreRef {
  /** Which of both. */
  kind: 'SecretStore' | 'ClusterSecretStore';
  /** Its name. */
  name: OptionalObjectName;
}

/** A secret in the store. */
export interface RemoteSecret {
  /**
   * Its name, as the store has it; empty for nowhere.
   * @pattern ^[!-~]*$
   * @maxLength 2048
   */
  key?: string;
  /**
   * Name of the part of it that is meant, where it has several; empty for all of it.
   * @pattern ^[!-~]*$
   * @maxLength 253
   */
  property?: string;
}
