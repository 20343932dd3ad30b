import { describe, expect, test } from 'vitest';
import { testDigests } from '../../ci/testing/digests.ts';
import { fleet, forecasting, mistakes, model, type RenderOptions, render, template } from './render.ts';

const shared = { cache: { mode: 'shared' } };
const image = { cache: { mode: 'image', image: { reference: 'registry/models:1' } } };
const old = '1.36.9';
const onDemand = (autoscaling: object) => ({
  autoscaling: { signals: 'demand', ...autoscaling },
  monitoring: { rules: { delivery: 'configMap' } },
});
const night = { days: ['mon'], from: '20:00', to: '07:00', min: 1 };
const placeholders = (warm: object) => ({ autoscaling: { placeholders: { warm } } });
const scheduled = (schedule: object) => ({ replicas: { min: 1, max: 2 }, autoscaling: { schedule } });
/** So many models with prompts as long as they may be. */
const prompts = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`m${i}`, model(`m${i}`, { system: 'x'.repeat(16_384) })]),
  );

const nearlyFull = prompts(35);

const namespaceName = 'kubernetes.io/metadata.name';
const network = (networkPolicy: object, rest: object = {}) => ({
  ...rest,
  networkPolicy: { enabled: true, ...networkPolicy },
});

/** A release at a Gateway that is there. */
const edge = ({ gateway, ...ingress }: Record<string, object | string>) => ({
  ingress: { enabled: true, kind: 'httpRoute', gateway: { name: 'public', ...(gateway as object) }, ...ingress },
});

/** One whose keys of clients are in a store. */
const external = (externalSecrets: Record<string, object | boolean>) => ({
  gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } },
  externalSecrets: { enabled: true, secretStoreRef: { name: 'store' }, apiKeys: { key: 'keys' }, ...externalSecrets },
});
const backup = { backup: { enabled: true, existingSecret: 'repository' } };

const byTag =
  'is named by a tag, which can be moved, and images.requireDigest is true: set its digest, for which npm run pin-images asks the registry';
const { backup: _, ...pinned } = testDigests;
const onlyOllama = { serverDefaults: pinned.serverDefaults };
const pinnedCache = (reference: string) => ({
  ...pinned,
  serverDefaults: { ...pinned.serverDefaults, cache: { mode: 'image', image: { reference } } },
});

/** Each mistake alone, the line that it is refused with, and what is nearly the same and renders. */
const cases: {
  what: string;
  values: object;
  options?: RenderOptions;
  line: string;
  near: object;
  nearOptions?: RenderOptions;
}[] = [
  {
    what: 'two models have one name, but for case and what Ollama adds to it',
    values: fleet({ a: {}, b: {} }, { a: model('Base'), b: model('registry.ollama.ai/library/base:latest') }),
    line: "models.b: 'registry.ollama.ai/library/base:latest' is a name of models.a too: give one of them another key or name",
    near: fleet({ a: {}, b: {} }, { a: model('base:1b'), b: model('library/base:2b') }),
  },
  {
    what: 'the key of a model is the name of another',
    values: fleet({ a: {}, b: {} }, { a: model('b:latest'), b: model('c') }),
    line: "models.b: 'b' is a name of models.a too: give one of them another key or name",
    near: fleet({ a: {}, b: {} }, { a: model('b:1b'), b: model('c') }),
  },
  {
    what: 'a model sets the threads that the chart sets',
    values: fleet({ a: {} }, { a: model('a', { parameters: { num_thread: 4 } }) }),
    line: "models.a.parameters.num_thread: is set by the chart from the server's resources.cpu: remove it",
    near: fleet({ a: {} }, { a: model('a', { parameters: { num_batch: 4 } }) }),
  },
  {
    what: 'a parameter other than stop is a list',
    values: fleet({ a: {} }, { a: model('a', { parameters: { seed: ['1', '2'] } }) }),
    line: 'models.a.parameters.seed: is a list, and Ollama takes several values of stop alone: give it one',
    near: fleet({ a: {} }, { a: model('a', { parameters: { stop: ['1', '2'], seed: '1' } }) }),
  },
  {
    what: 'an alias is a name of another model',
    values: fleet({ a: {}, b: {} }, { a: model('a', { aliases: ['x', 'Library/B:latest'] }) }),
    line: "models.a.aliases: 'Library/B:latest' is a name of models.b too: take another",
    near: fleet({ a: {}, b: {} }, { a: model('a', { aliases: ['x', 'b:1b', 'a', 'library/a'] }) }),
  },
  {
    what: 'two models have one alias',
    values: fleet({ a: {}, b: {} }, { a: model('a', { aliases: ['x'] }), b: model('b', { aliases: ['X:latest'] }) }),
    line: "models.b.aliases: 'X:latest' is a name of models.a too: take another",
    near: fleet(
      { a: {}, b: {} },
      { a: model('a', { aliases: ['x', 'x:latest'] }), b: model('b', { aliases: ['y/x'] }) },
    ),
  },
  {
    what: 'a model falls back on one that does not exist',
    values: fleet({ a: {}, b: {} }, { a: model('a', { fallbacks: ['b', 'c'] }) }),
    line: "models.a.fallbacks: 'c' is no key of models: name one of b",
    near: fleet({ a: {}, b: {}, c: {} }, { a: model('a', { fallbacks: ['b', 'c'] }) }),
  },
  {
    what: 'a model falls back on itself',
    values: fleet({ a: {}, b: {} }, { a: model('a', { fallbacks: ['a'] }) }),
    line: "models.a.fallbacks: 'a' is the model itself: name another, or none",
    near: fleet({ a: {}, b: {} }, { a: model('a', { fallbacks: ['b'] }), b: model('b', { fallbacks: ['a'] }) }),
  },
  {
    what: 'a model falls back on one that is not served',
    values: fleet({ a: {}, b: { enabled: false } }, { a: model('a', { fallbacks: ['b'] }) }),
    line: "models.a.fallbacks: 'b' is on no server that is enabled: enable its server, or take it from the list",
    near: fleet({ a: { enabled: false }, b: { enabled: false }, c: {} }, { a: model('a', { fallbacks: ['b'] }) }),
  },
  {
    what: 'a canary does not exist',
    values: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'c', percent: 1 } }) }),
    line: "models.a.canary.model: 'c' is no key of models: name one of b",
    near: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'b', percent: 1 } }) }),
  },
  {
    what: 'a canary has a part and no model',
    values: fleet({ a: {}, b: {} }, { a: model('a', { canary: { percent: 5 } }) }),
    line: 'models.a.canary.model: is missing: name the key of its next version',
    near: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'b' } }) }),
  },
  {
    what: 'a canary is the model itself',
    values: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'a', percent: 1 } }) }),
    line: "models.a.canary.model: 'a' is the model itself: name its next version",
    near: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'b', percent: 0 } }) }),
  },
  {
    what: 'a canary has one itself',
    values: fleet(
      { a: {}, b: {}, c: {} },
      {
        a: model('a', { canary: { model: 'b', percent: 1 } }),
        b: model('b', { canary: { model: 'c', percent: 1 } }),
      },
    ),
    line: "models.a.canary.model: 'b' has a canary itself: take that away",
    near: fleet(
      { a: {}, b: {}, c: {} },
      {
        a: model('a', { canary: { model: 'c', percent: 1 } }),
        b: model('b', { canary: { model: 'c', percent: 1 } }),
      },
    ),
  },
  {
    what: 'a canary is not served',
    values: fleet({ a: {}, b: { enabled: false } }, { a: model('a', { canary: { model: 'b', percent: 1 } }) }),
    line: "models.a.canary.model: 'b' is on no server that is enabled: enable its server, or take canary away",
    near: fleet(
      { a: { enabled: false }, b: { enabled: false }, c: {} },
      { a: model('a', { canary: { model: 'b', percent: 1 } }) },
    ),
  },
  {
    what: 'a canary is on the server of its model',
    values: fleet(
      { a: { models: ['a', 'b'] } },
      { a: model('a', { canary: { model: 'b', percent: 1 } }), b: model('b') },
    ),
    line: "models.a.canary.model: 'b' is on servers.a, as the model itself: give it a server of its own",
    near: fleet({ a: {}, b: {} }, { a: model('a', { canary: { model: 'b', percent: 1 } }) }),
  },
  {
    what: 'a server names no model',
    values: fleet({ a: { models: [] } }),
    line: 'servers.a.models: is empty: name a key of models, or set enabled to false',
    near: fleet({ a: { models: [], enabled: false }, b: {} }),
  },
  {
    what: 'a server names a model that does not exist',
    values: { servers: { 'ollama-llama': { models: ['lama'] } } },
    line:
      "servers.ollama-llama.models: 'lama' is no key of models: name one of gpt-oss, legal-analysis, llama, qwen, " +
      'recommendations, risk-assessment, summary, or add models.lama',
    near: { servers: { 'ollama-llama': { models: ['llama'] } } },
  },
  {
    what: 'two servers have one model',
    values: fleet({ a: { models: ['m'] }, b: { models: ['m'] } }),
    line: "servers.b.models: 'm' is on servers.a too: leave it on one of them",
    near: fleet({ a: { models: ['m'] }, b: { models: ['m'], enabled: false } }),
  },
  {
    what: 'a server has more pods at the least than at the most',
    values: fleet({ a: { replicas: { min: 3, max: 2 } } }),
    line: 'servers.a.replicas: min 3 is above max 2: raise max or lower min',
    near: fleet({ a: { replicas: { min: 2, max: 2 } } }),
  },
  {
    what: 'the gateway has more pods at the least than at the most',
    values: { gateway: { replicas: { min: 7, max: 6 } } },
    line: 'gateway.replicas: min 7 is above max 6: raise max or lower min',
    near: { gateway: { replicas: { min: 6, max: 6 } } },
  },
  {
    what: 'nothing can wake a server from no pods',
    values: fleet({ a: { replicas: { min: 0 } } }),
    options: { kubeVersion: old },
    line: `servers.a.replicas: min 0 needs Kubernetes 1.37 or later, or KEDA, and this is v${old} without it: set min to 1, or install KEDA`,
    near: fleet({ a: { replicas: { min: 0 } } }),
    nearOptions: { kubeVersion: old, apiVersions: ['keda.sh/v1alpha1'] },
  },
  {
    what: 'KEDA is to scale on CPU',
    values: fleet({ a: {} }, {}, { autoscaling: { engine: 'keda', prometheusUrl: 'http://prometheus:9090' } }),
    line: 'autoscaling.engine: keda scales on demand alone, and signals is cpu: set signals to demand, or engine to hpa',
    near: fleet({ a: {} }, {}, onDemand({ engine: 'keda', prometheusUrl: 'http://prometheus:9090' })),
  },
  {
    what: 'KEDA is not told where Prometheus is',
    values: fleet({ a: {} }, {}, onDemand({ engine: 'keda' })),
    line: 'autoscaling.prometheusUrl: is empty, and KEDA has to ask Prometheus: set it, such as http://prometheus.monitoring:9090, or set engine to hpa',
    near: fleet({ a: {} }, {}, onDemand({})),
  },
  {
    what: 'the forecaster is to tell nobody',
    values: fleet({ a: {} }, {}, { ...forecasting, autoscaling: { ...forecasting.autoscaling, signals: 'cpu' } }),
    line: 'forecaster.enabled: what it says is a signal of demand, and autoscaling.signals is cpu: set that to demand, or enabled to false',
    near: fleet({ a: {} }, {}, forecasting),
  },
  {
    what: 'the forecaster is not told where Prometheus is',
    values: fleet({ a: {} }, {}, { ...forecasting, autoscaling: { signals: 'demand' } }),
    line: 'forecaster.enabled: autoscaling.prometheusUrl is empty, and the forecaster learns from Prometheus: set that, such as http://prometheus.monitoring:9090, or enabled to false',
    near: fleet({ a: {} }, {}, { ...forecasting, forecaster: { enabled: false }, autoscaling: { signals: 'demand' } }),
  },
  {
    what: 'demand is scaled on that no rule records',
    values: fleet({ a: {} }, {}, { ...onDemand({}), monitoring: { rules: { delivery: 'none' } } }),
    line: 'autoscaling.signals: demand is what rules of Prometheus record, and monitoring.rules.delivery is none: set that to configMap or prometheusRule, or signals to cpu',
    near: fleet({ a: {} }, {}, { autoscaling: { signals: 'cpu' }, monitoring: { rules: { delivery: 'none' } } }),
  },
  {
    what: 'a HorizontalPodAutoscaler is to take a server to no pods on an old Kubernetes',
    values: fleet({ a: { replicas: { min: 0 } } }, {}, onDemand({})),
    options: { kubeVersion: old, apiVersions: ['keda.sh/v1alpha1'] },
    line: `servers.a.replicas: min 0 needs Kubernetes 1.37 or later by autoscaling.engine hpa, and this is v${old}: set min to 1, or engine to keda`,
    near: fleet({ a: { replicas: { min: 0 } } }, {}, onDemand({ engine: 'keda', prometheusUrl: 'http://a' })),
    nearOptions: { kubeVersion: old },
  },
  {
    what: 'a window is to take a server to no pods on an old Kubernetes',
    values: fleet({ a: scheduled({ night: { ...night, min: 0 } }) }, {}, onDemand({})),
    options: { kubeVersion: old },
    line: `servers.a.autoscaling.schedule.night: min 0 needs Kubernetes 1.37 or later by autoscaling.engine hpa, and this is v${old}: set min to 1, or engine to keda`,
    near: fleet({ a: scheduled({ night: { ...night, min: 0 } }) }, {}, onDemand({})),
    nearOptions: { kubeVersion: '1.37.0' },
  },
  {
    what: 'there is no such time zone',
    values: fleet({ a: {} }, {}, { autoscaling: { timeZone: 'Europe/Berlim' } }),
    line: "autoscaling.timeZone: there is no time zone 'Europe/Berlim': name one as 'Europe/Berlin'",
    near: fleet({ a: {} }, {}, { autoscaling: { timeZone: 'Etc/UTC' } }),
  },
  {
    what: 'placeholders are those of a server that is off',
    values: fleet(
      { a: {}, b: { enabled: false } },
      {},
      placeholders({ server: 'b', pods: 1, priorityClassName: 'low' }),
    ),
    line: "autoscaling.placeholders.warm.server: there is no server 'b' that is on: name one of a",
    near: fleet({ a: {}, b: {} }, {}, placeholders({ server: 'b', pods: 1, priorityClassName: 'low' })),
  },
  {
    what: 'placeholders have the priority of the pods that they make room for',
    values: fleet(
      { a: { scheduling: { priorityClassName: 'low' } } },
      {},
      placeholders({ server: 'a', pods: 1, priorityClassName: 'low' }),
    ),
    line: 'autoscaling.placeholders.warm.priorityClassName: is that of servers.a, whose pods could not take its room: name one with a lower value',
    near: fleet(
      { a: { scheduling: { priorityClassName: 'high' } } },
      {},
      placeholders({ server: 'a', pods: 1, priorityClassName: 'low' }),
    ),
  },
  {
    what: 'a window does not say when it ends',
    values: fleet({ a: scheduled({ night: { days: ['mon'], from: '20:00' } }) }),
    line: 'servers.a.autoscaling.schedule.night: lacks to and min: say all of days, from, to and min',
    near: fleet({ a: scheduled({ night: { min: 1 } }) }, {}, { serverDefaults: scheduled({ night }) }),
  },
  {
    what: 'a window is on no day',
    values: fleet({ a: scheduled({ night: { ...night, days: [] } }) }),
    line: 'servers.a.autoscaling.schedule.night: days is empty: name one, or set the window to null',
    near: fleet({ a: scheduled({ night: { ...night, days: ['sun'] } }) }),
  },
  {
    what: 'a window begins when it ends',
    values: fleet({ a: scheduled({ night: { ...night, from: '08:00', to: '08:00' } }) }),
    line: 'servers.a.autoscaling.schedule.night: begins and ends at 08:00: set another end, or 00:00 and 24:00 for whole days',
    near: fleet({ a: scheduled({ night: { ...night, from: '00:00', to: '24:00' } }) }),
  },
  {
    what: 'a window has more pods than the server may have',
    values: fleet({ a: scheduled({ night: { ...night, min: 3 } }) }),
    line: 'servers.a.autoscaling.schedule.night: min 3 is above replicas.max 2: raise max or lower min',
    near: fleet({ a: scheduled({ night: { ...night, min: 2 } }) }),
  },
  {
    what: 'two windows of a server overlap',
    values: fleet({ a: scheduled({ night, rest: { ...night, days: ['tue'], from: '06:59', to: '09:00' } }) }),
    line: 'servers.a.autoscaling.schedule.rest: overlaps with night: let one end before the other begins',
    near: fleet({
      a: scheduled({ night, rest: { ...night, days: ['tue'], from: '07:00', to: '09:00' } }),
      b: scheduled({ rest: night }),
    }),
  },
  {
    what: 'two windows overlap in the night from Sunday to Monday',
    values: fleet({
      a: scheduled({ end: { ...night, days: ['sun'] }, start: { ...night, from: '06:30', to: '09:00' } }),
    }),
    line: 'servers.a.autoscaling.schedule.start: overlaps with end: let one end before the other begins',
    near: fleet({
      a: scheduled({ end: { ...night, days: ['sun'] }, start: { ...night, from: '07:00', to: '09:00' } }),
    }),
  },
  {
    what: 'a server has its models in an image that is not named',
    values: fleet({ a: { cache: { mode: 'image' } } }),
    line: 'servers.a.cache: mode image without image.reference: name the OCI image that holds its models',
    near: fleet({ a: image }),
  },
  {
    what: 'the cluster cannot mount images',
    values: fleet({ a: image }),
    options: { kubeVersion: '1.34.9' },
    line: 'servers.a.cache: mode image needs Kubernetes 1.35 or later, and this is v1.34.9: use ephemeral or shared',
    near: fleet({ a: image }),
    nearOptions: { kubeVersion: '1.35.0' },
  },
  {
    what: 'several pods share a claim that one node can have',
    values: fleet({ a: shared, b: shared }, {}, { sharedCache: { accessMode: 'ReadWriteOnce' } }),
    line: "sharedCache.accessMode: ReadWriteOnce, and up to 2 pods share the claim, which hangs all but one node's: use a class with ReadWriteMany, or cache.mode ephemeral",
    near: fleet({ a: shared, b: {} }, {}, { sharedCache: { accessMode: 'ReadWriteOnce' } }),
  },
  {
    what: 'pods are to have users of their own on a cluster that is too old',
    values: { userNamespaces: { enabled: true } },
    options: { kubeVersion: '1.32.9' },
    line: 'userNamespaces.enabled: needs Kubernetes 1.33 or later, and this is v1.32.9: set it to false',
    near: { userNamespaces: { enabled: true } },
    nearOptions: { kubeVersion: '1.33.0' },
  },
  {
    what: 'policies name no DNS',
    values: network({
      dns: { namespaceLabels: { [namespaceName]: null }, podLabels: { 'k8s-app': null }, addresses: [] },
    }),
    line: 'networkPolicy.dns: names nobody, and pods look up names: set its namespaceLabels, podLabels or addresses',
    near: network({ dns: { namespaceLabels: { [namespaceName]: null }, podLabels: { 'k8s-app': null } } }),
  },
  {
    what: 'a route is attached to a Gateway without a name',
    values: edge({ gateway: { name: '' } }),
    line: 'ingress.gateway.name: is empty, and kind is httpRoute: name the Gateway, or set create to true',
    near: edge({ gateway: { name: '', create: true, className: 'example' } }),
  },
  {
    what: 'a Gateway is made of no class',
    values: edge({ gateway: { create: true } }),
    line: 'ingress.gateway: create without className: name a GatewayClass of the cluster, or set create to false',
    near: edge({ gateway: { create: false } }),
  },
  {
    what: 'a Gateway is made in another namespace',
    values: edge({ gateway: { create: true, className: 'example', namespace: 'edge' } }),
    line: 'ingress.gateway.namespace: is set, and the chart makes its Gateway in its own: set it to "", or create to false',
    near: edge({ gateway: { namespace: 'edge' } }),
  },
  {
    what: 'HTTP is sent to HTTPS at a listener that nobody names',
    values: edge({ gateway: { httpListener: '' } }),
    line: 'ingress.gateway: listener and httpListener tell HTTPS and HTTP apart, and one of them is empty: name both',
    near: edge({ gateway: { httpListener: '' }, tls: { redirect: 'never' } }),
  },
  {
    what: 'HTTP would be sent to itself',
    values: edge({ gateway: { httpListener: 'https' } }),
    line: 'ingress.gateway: listener and httpListener are both https: name the one that ends TLS, and the one that does not',
    near: edge({ gateway: { httpListener: 'https' }, tls: { enabled: false } }),
  },
  {
    what: 'a route is to know of a load balancer',
    values: edge({ tls: { redirect: 'always' } }),
    line: 'ingress.tls.redirect: is always, and a Gateway knows nothing of a load balancer in front of it: set it to withTls, or to never',
    near: edge({ tls: { redirect: 'always' }, kind: 'ingress' }),
  },
  {
    what: 'a route is to bound requests',
    values: edge({ rateLimit: { connections: 1 } }),
    line: "ingress.rateLimit: the Gateway API has no such thing, and kind is httpRoute: set its bounds to 0, and use a policy of your Gateway's implementation (docs/security.md)",
    near: edge({ rateLimit: { connections: 0, burstMultiplier: 9 } }),
  },
  {
    what: 'a route is to have people sign in',
    values: edge({ oauth2Proxy: { enabled: true, url: 'http://proxy/auth' } }),
    line: "ingress.oauth2Proxy: the Gateway API has no such thing, and kind is httpRoute: set enabled to false, and use a policy of your Gateway's implementation (docs/security.md)",
    near: edge({ oauth2Proxy: { enabled: true, url: 'http://proxy/auth' }, kind: 'ingress' }),
  },
  {
    what: 'nobody says where oauth2-proxy is',
    values: edge({ kind: 'ingress', oauth2Proxy: { enabled: true } }),
    line: 'ingress.oauth2Proxy: enabled without url: name where oauth2-proxy is asked, such as http://oauth2-proxy.auth.svc.cluster.local/oauth2/auth',
    near: edge({ kind: 'ingress', oauth2Proxy: { enabled: false } }),
  },
  {
    what: 'a status page is protected that is not served',
    values: {
      ...edge({ kind: 'ingress', oauth2Proxy: { enabled: true, url: 'http://proxy/auth' } }),
      gateway: { statusPage: { enabled: false } },
    },
    line: 'ingress.oauth2Proxy.protect: is statusPage, and gateway.statusPage.enabled is false: set oauth2Proxy.enabled to false, or protect to everything',
    near: {
      ...edge({ kind: 'ingress', oauth2Proxy: { enabled: true, protect: 'everything', url: 'http://proxy/auth' } }),
      gateway: { statusPage: { enabled: false } },
    },
  },
  {
    what: 'policies keep out the Gateway of a route',
    values: network({}, edge({})),
    line: "networkPolicy.clients: knows ingress-nginx at most, and ingress.kind is httpRoute: set clients.ingress to null, and name your Gateway's pods (docs/security.md)",
    near: network({ clients: { ingress: null, edge: { namespaceLabels: { [namespaceName]: 'traefik' } } } }, edge({})),
  },
  {
    what: 'the repository has a password in its address',
    values: { backup: { enabled: true, existingSecret: 'repository', repository: 'rest:https://me:word@host/path' } },
    line: 'backup.repository: has a password in it: leave it out, and put RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD into the Secret of backup.existingSecret',
    near: { backup: { enabled: true, existingSecret: 'repository', repository: 'sftp:me@host:/path' } },
  },
  {
    what: 'a store of secrets has no name',
    values: external({ secretStoreRef: { name: '' } }),
    line: 'externalSecrets.secretStoreRef.name: is empty: name the SecretStore, or set externalSecrets.enabled to false',
    near: external({ enabled: false, secretStoreRef: { name: '' } }),
  },
  {
    what: 'nothing is taken from a store',
    values: external({ apiKeys: { key: '' } }),
    line: 'externalSecrets: enabled, and takes nothing from the store: name where it has apiKeys, backup or imagePullSecrets, or set enabled to false',
    near: external({ apiKeys: { key: 'a' } }),
  },
  {
    what: 'keys are taken from a store, and nobody is asked for them',
    values: { ...external({}), gateway: {} },
    line: 'externalSecrets.apiKeys: names keys, and gateway.apiKeys.enabled is false: set that to true, or key to ""',
    near: external({}),
  },
  {
    what: 'variables of a backup are taken from a store, and there is no backup',
    values: external({ backup: { RESTIC_PASSWORD: { key: 'a' } } }),
    line: 'externalSecrets.backup: has variables, and backup.enabled is false: set that to true, or remove them',
    near: { ...external({ backup: { RESTIC_PASSWORD: { key: 'a' } } }), ...backup },
  },
  {
    what: 'a backup has its variables from a store, and no password among them',
    values: { ...external({ backup: { AWS_ACCESS_KEY_ID: { key: 'a' } } }), ...backup },
    line: 'externalSecrets.backup: lacks RESTIC_PASSWORD, without which there is no repository: say where the store has it',
    near: { ...external({}), ...backup },
  },
  {
    what: 'a Secret to pull images with is made that nobody uses',
    values: external({ imagePullSecrets: { ours: { key: 'a' } } }),
    line: 'externalSecrets.imagePullSecrets.ours: is not in imagePullSecrets: add it there, or remove it',
    near: { ...external({ imagePullSecrets: { ours: { key: 'a' } } }), imagePullSecrets: ['ours'] },
  },
  {
    what: 'a secret is nowhere in the store',
    values: { ...external({ imagePullSecrets: { ours: { key: '' } } }), imagePullSecrets: ['ours'] },
    line: 'externalSecrets.imagePullSecrets.ours.key: is empty: say where the store has it, or remove ours',
    near: { ...external({ imagePullSecrets: { ours: { key: 'a' } } }), imagePullSecrets: ['ours'] },
  },
  {
    what: 'two secrets of a store come to one Secret',
    values: { ...external({ imagePullSecrets: { keys: { key: 'a' } } }), imagePullSecrets: ['keys'] },
    line: 'externalSecrets: the Secret keys would be made twice, for gateway and for images: give each a name of its own',
    near: { ...external({ imagePullSecrets: { other: { key: 'a' } } }), imagePullSecrets: ['other'] },
  },
  {
    what: 'policies name no proxy, and there is one',
    values: network({}, { modelRegistry: { httpsProxy: 'http://proxy:3128' } }),
    line: 'networkPolicy.httpsProxy: names nobody, and modelRegistry.httpsProxy is http://proxy:3128: set its namespaceLabels, podLabels or addresses',
    near: network({ httpsProxy: { addresses: ['private'] } }, { modelRegistry: { httpsProxy: 'http://proxy:3128' } }),
  },
  {
    what: 'policies name no collector, and there is one',
    values: network({}, { tracing: { endpoint: 'http://collector:4318/v1/traces' } }),
    line: 'networkPolicy.collector: names nobody, and tracing.endpoint is http://collector:4318/v1/traces: set its namespaceLabels, podLabels or addresses',
    near: network(
      { collector: { podLabels: { a: 'b' } } },
      { tracing: { endpoint: 'http://collector:4318/v1/traces' } },
    ),
  },
  {
    what: 'policies name no inference gateway, and there are pools for one',
    values: network({}, { inferencePool: { enabled: true } }),
    line: 'networkPolicy.inferenceGateway: names nobody, and inferencePool is enabled: set its namespaceLabels, podLabels or addresses',
    near: network({ inferenceGateway: { namespaceLabels: { a: 'b' } } }, { inferencePool: { enabled: true } }),
  },
  {
    what: 'policies keep pulls from the port of the registry',
    values: network({}, { modelRegistry: { host: 'mirror.example.com:5000' } }),
    line: 'networkPolicy.modelRegistry.ports: lacks 5000, the port of modelRegistry.host: add it',
    near: network({ modelRegistry: { ports: [443, 5000] } }, { modelRegistry: { host: 'mirror.example.com:5000' } }),
  },
  {
    what: 'policies keep those out for whom the Service is',
    values: network({}, { gateway: { service: { type: 'LoadBalancer' } } }),
    line: 'networkPolicy.clients: none of them has addresses, and gateway.service.type LoadBalancer is for clients outside: add one with those of the clients and of the nodes',
    near: network(
      { clients: { all: { addresses: ['public', 'private'] } } },
      { gateway: { service: { type: 'LoadBalancer' } } },
    ),
  },
  {
    what: 'a variable of Ollama is set that the chart sets',
    values: fleet({ a: { ollama: { extraEnv: { OLLAMA_HOST: '0.0.0.0' } } } }),
    line: 'servers.a.ollama.extraEnv: OLLAMA_HOST is set by the chart: remove it, and use the key of `ollama` or `cache` that stands for it',
    near: fleet({ a: { ollama: { extraEnv: { OLLAMA_ORIGINS: '*' } } } }),
  },
  {
    what: 'the image of the service has a tag alone, where digests are required',
    values: { images: { requireDigest: true }, ...onlyOllama },
    line: `image: model-management:0.1.0 ${byTag}`,
    near: { images: { requireDigest: true }, ...pinned },
  },
  {
    what: 'the image of Ollama has a tag alone, where digests are required',
    values: { images: { requireDigest: true }, image: pinned.image },
    line: `servers.ollama-gpt-oss.ollama.image and 6 more: ollama/ollama:0.30.0 ${byTag}`,
    near: { image: pinned.image },
  },
  {
    what: 'one server has another Ollama by its tag, where digests are required',
    values: {
      ...pinned,
      images: { requireDigest: true },
      servers: { 'ollama-qwen': { ollama: { image: { tag: '1', digest: '' } } } },
    },
    line: `servers.ollama-qwen.ollama.image: ollama/ollama:1 ${byTag}`,
    near: { ...pinned, servers: { 'ollama-qwen': { ollama: { image: { tag: '1', digest: '' } } } } },
  },
  {
    what: 'the image of backups has a tag alone, where digests are required',
    values: { ...pinned, images: { requireDigest: true }, backup: { enabled: true, existingSecret: 'key' } },
    line: `backup.image: restic/restic:0.18.1 ${byTag}`,
    near: {
      ...testDigests,
      images: { requireDigest: true },
      backup: { ...testDigests.backup, enabled: true, existingSecret: 'key' },
    },
  },
  {
    what: 'an image of models has a tag alone, where digests are required',
    values: { ...pinnedCache('registry/models:1'), images: { requireDigest: true } },
    line: `servers.ollama-gpt-oss.cache.image.reference and 6 more: registry/models:1 ${byTag}`,
    near: { ...pinnedCache(`registry/models:1@sha256:${'0'.repeat(64)}`), images: { requireDigest: true } },
  },
  {
    what: 'no version of Ollama is named',
    values: fleet({ a: { ollama: { image: { tag: '' } } } }),
    line: 'servers.a.ollama.image: has neither tag nor digest: name the version of Ollama to run',
    near: fleet({ a: { ollama: { image: { tag: '', digest: `sha256:${'0'.repeat(64)}` } } } }),
  },
  {
    what: 'a cache is small without flash attention',
    values: fleet({ a: { ollama: { kvCacheType: 'q8_0', flashAttention: false } } }),
    line: 'servers.a.ollama: kvCacheType q8_0 needs flash attention: set flashAttention to true, or kvCacheType to f16',
    near: fleet({ a: { ollama: { kvCacheType: 'f16', flashAttention: false } } }),
  },
  {
    what: 'a server requests more CPU than it may use',
    values: fleet({ a: { resources: { cpu: '1', cpuRequest: '1001m' } } }),
    line: 'servers.a.resources: cpuRequest 1001m is above cpu 1: lower it, or raise cpu',
    near: fleet({ a: { resources: { cpu: '1', cpuRequest: '1000m' } } }),
  },
  {
    what: 'an agent has no memory for the largest bodies',
    values: fleet({ a: {} }, {}, { gateway: { maxBodyMiB: 65 } }),
    line: 'agent.resources.memory: 256Mi is too little for bodies of gateway.maxBodyMiB 65: raise it to 258Mi, or lower maxBodyMiB',
    near: fleet({ a: {} }, {}, { gateway: { maxBodyMiB: 64 } }),
  },
  {
    what: 'the gateway has no memory for the largest bodies',
    values: fleet({ a: {} }, {}, { gateway: { resources: { memory: '191Mi' } } }),
    line: 'gateway.resources.memory: 191Mi is too little for bodies of gateway.maxBodyMiB 32: raise it to 192Mi, or lower maxBodyMiB',
    near: fleet({ a: {} }, {}, { gateway: { resources: { memory: '192Mi' } } }),
  },
  {
    what: 'a model does not fit into the memory of its pod',
    values: fleet({ a: { resources: { memory: '2Gi' } } }, { a: model('a', { memoryMiB: 2049 }) }),
    line: 'models.a.memoryMiB: it takes 2049 MiB once loaded, and servers.a.resources.memory 2Gi is 2048 MiB: raise that, or correct memoryMiB',
    near: fleet({ a: { resources: { memory: '2Gi' } } }, { a: model('a', { memoryMiB: 2048 }) }),
  },
  {
    what: 'a model does not fit into the memory of its pod beside the prompts that it keeps',
    values: fleet(
      { a: { resources: { memory: '2Gi' }, ollama: { promptCacheMiB: 1 } } },
      { a: model('a', { memoryMiB: 2048 }) },
    ),
    line: 'models.a.memoryMiB: it takes 2049 MiB once loaded (with promptCacheMiB), and servers.a.resources.memory 2Gi is 2048 MiB: raise that, or correct memoryMiB',
    near: fleet(
      { a: { resources: { memory: '2Gi' }, ollama: { promptCacheMiB: 1 } } },
      { a: model('a', { memoryMiB: 0 }) },
    ),
  },
  {
    what: 'a model does not fit into the GPUs of its server',
    values: fleet({ a: { resources: { gpu: 2, gpuMemoryMiB: 1000 } } }, { a: model('a', { memoryMiB: 2001 }) }),
    line: 'models.a.memoryMiB: it takes 2001 MiB once loaded, and 2 × servers.a.resources.gpuMemoryMiB is 2000 MiB: raise that, or correct memoryMiB',
    near: fleet({ a: { resources: { gpu: 2, gpuMemoryMiB: 0 } } }, { a: model('a', { memoryMiB: 2001 }) }),
  },
  {
    what: 'models that stay loaded do not fit together',
    values: fleet(
      { a: { models: ['b', 'c'], resources: { memory: '2Gi' } } },
      { b: model('b', { memoryMiB: 1025, keepAlive: '-1' }), c: model('c', { memoryMiB: 1024, keepAlive: '-1' }) },
    ),
    line: 'servers.a.models: those with keepAlive -1 take 2049 MiB together, and servers.a.resources.memory 2Gi is 2048 MiB: raise that, or let one of them be unloaded',
    near: fleet(
      { a: { models: ['b', 'c'], resources: { memory: '2Gi' } } },
      { b: model('b', { memoryMiB: 1025, keepAlive: '-1' }), c: model('c', { memoryMiB: 1024 }) },
    ),
  },
  {
    what: 'API keys are asked for that are nowhere',
    values: fleet({ a: {} }, {}, { gateway: { apiKeys: { enabled: true } } }),
    line: 'gateway.apiKeys: enabled without existingSecret: name the Secret that has the keys (`npm run api-key -- NAME` makes one), or set enabled to false',
    near: fleet({ a: {} }, {}, { gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } } }),
  },
  {
    what: 'the release would not fit in its Secret',
    values: fleet({ a: {} }, prompts(36)),
    line: 'servers: 1 of them make a release of about 1038 KiB, and Helm keeps it in a Secret of at most 1024 KiB: install them as several releases, each with a namePrefix and servers of its own',
    near: fleet({ a: {} }, prompts(35)),
  },
  {
    what: 'the release would not fit in its Secret with the rules',
    values: fleet({ a: {} }, nearlyFull, { monitoring: { rules: { delivery: 'configMap' } } }),
    line: 'servers: 1 of them make a release of about 1025 KiB, and Helm keeps it in a Secret of at most 1024 KiB: install them as several releases, each with a namePrefix and servers of its own',
    near: fleet({ a: {} }, nearlyFull),
  },
  {
    what: 'a server would have the name of the gateway',
    values: fleet({ 'model-management': {} }),
    line: "servers.model-management: would be called 'model-management' like the gateway's Service: give it another key",
    near: fleet({ 'model-management': { enabled: false }, 'model-management-a': {} }),
  },
  {
    what: 'two servers have one name after the cut',
    values: fleet({ [`${'s'.repeat(60)}-a`]: {}, [`${'s'.repeat(60)}-b`]: {} }, {}, { namePrefix: 'x-' }),
    line: `servers.${'s'.repeat(60)}-b: would be called 'x-${'s'.repeat(60)}' like servers.${'s'.repeat(60)}-a: give it another key, or shorten namePrefix`,
    near: fleet({ [`${'s'.repeat(60)}-a`]: {}, [`${'s'.repeat(60)}-b`]: {} }, {}, { namePrefix: '' }),
  },
];

describe('refuses what no schema can', () => {
  test.each(cases)('refuses the values when $what', async ({ values, options, line }) => {
    expect(await mistakes(values, options)).toEqual([line]);
  });

  test.each(cases)('renders what is nearly the same as: $what', async ({ near, nearOptions }) => {
    expect((await render(near, nearOptions)).all('Deployment').length).toBeGreaterThan(1);
  });

  test('refuses all mistakes together, each on a line', async () => {
    const servers = {
      a: { models: [] },
      b: { models: ['none', 'm'], replicas: { min: 3, max: 2 } },
      c: { models: ['m'], cache: { mode: 'image' }, ollama: { extraEnv: { HOME: '/' } } },
      'model-management': shared,
    };
    const values = fleet(servers, { none: { ...model('m:latest'), parameters: { num_thread: 1 } } });
    const lines = await mistakes({ ...values, gateway: { replicas: { min: 2, max: 1 } } }, { kubeVersion: '1.30.0' });
    expect(lines.map((line) => line.slice(0, line.indexOf(': '))).toSorted()).toEqual([
      'gateway.replicas',
      'models.none',
      'models.none.parameters.num_thread',
      'servers.a.models',
      'servers.b.replicas',
      'servers.c.cache',
      'servers.c.cache',
      'servers.c.models',
      'servers.c.ollama.extraEnv',
      'servers.model-management',
    ]);
  });

  test('renders min 0 on the first Kubernetes that scales from none, releases of vendors too', async () => {
    const values = fleet({ a: { replicas: { min: 0 } } });
    for (const kubeVersion of ['1.37.0', '1.37.0-gke.100', '1.38.1+k3s1']) {
      expect((await render(values, { kubeVersion })).find('Deployment', 'a'), kubeVersion).toBeDefined();
    }
    expect(await mistakes(values, { kubeVersion: '1.36.3-eks-1234567' })).toHaveLength(1);
  });

  test('refuses a Kubernetes that is older than 1.29, and renders on 1.29', async () => {
    const { status, stderr } = await template({}, { kubeVersion: '1.28.15' });
    expect(status).not.toBe(0);
    expect(stderr).toContain('chart requires kubeVersion: >=1.29.0-0');
    expect((await template({}, { kubeVersion: '1.29.0-eks-1234567' })).status).toBe(0);
  });
});

describe('overrides with null', () => {
  test('omits a server of the defaults when its override is null', async () => {
    const rendered = await render({ servers: { 'ollama-llama': null }, models: { llama: null } });
    expect(rendered.objects.filter(({ metadata }) => metadata.name === 'ollama-llama')).toEqual([]);
  });

  test("renders the defaults of all servers when a server's own settings are null", async () => {
    const rendered = await render({ servers: { 'ollama-llama': { ollama: null, cache: { size: null } } } });
    const { initContainers, volumes } = rendered.get('Deployment', 'ollama-llama').spec.template.spec;
    expect(volumes[0]!.ephemeral!.volumeClaimTemplate.spec.resources.requests.storage).toBe('10Gi');
    expect(initContainers![1]!.image).toMatch(/^ollama\/ollama:/);
  });

  test('refuses the values when a key that is needed is null', async () => {
    for (const [key, place] of [
      ['gateway', ''],
      ['models', ''],
      ['commonLabels', ''],
    ] as const) {
      const { status, stderr } = await template({ [key]: null });
      expect(status).not.toBe(0);
      expect(stderr).toContain(`at '${place}': missing property '${key}'`);
    }
  });
});
