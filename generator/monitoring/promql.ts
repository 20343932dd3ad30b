/**
 * Pieces of PromQL. The chart puts the release's own words for the marks when it renders (charts/templates/_rules.tpl): the
 * rules are the same for every release, and speak of one.
 */

/** What the chart replaces. */
export const marks = {
  namespace: '__namespace__',
  release: '__release__',
  /** Put before the name of every object of the release. */
  prefix: '__prefix__',
  /** Name of the claim that servers share. */
  claim: '__claim__',
  /** Name of the gateway's certificate. */
  certificate: '__certificate__',
  /** Address of the folder of the runbooks, or its path. */
  runbooks: '__runbooks__',
} as const;

const selector = (metric: string, matchers: readonly string[]) => `${metric}{${matchers.join(',')}}`;

/** What is the release's, among the samples that carry its labels: those of our own pods, and what rules made of them. */
export const ofRelease = [`namespace="${marks.namespace}"`, `release="${marks.release}"`];

/** A metric, or what a rule recorded, of this release. */
export const ours = (metric: string, ...matchers: string[]) => selector(metric, [...ofRelease, ...matchers]);

/** A metric of the gateway's pods. */
export const gateway = (metric: string, ...matchers: string[]) => ours(metric, 'component="gateway"', ...matchers);

/** A metric of the gateway's pods about requests, of those for models that there are. */
export const requests = (metric: string, ...matchers: string[]) => gateway(metric, 'model!="unknown"', ...matchers);

/** A metric of the agents. */
export const agents = (metric: string, ...matchers: string[]) => ours(metric, 'component="server"', ...matchers);

/** A metric of others about objects in the namespace. */
export const inNamespace = (metric: string, ...matchers: string[]) =>
  selector(metric, [`namespace="${marks.namespace}"`, ...matchers]);

const list = (labels: readonly string[]) => `(${['namespace', 'release', ...labels].join(', ')})`;

/** `by (…)` and `on (…)`, of the release and these labels. */
export const by = (...labels: string[]) => `by ${list(labels)}`;
export const on = (...labels: string[]) => `on ${list(labels)}`;

/** `sum by (…) (…)`, of the release and these labels. */
export const sum = (labels: readonly string[], expr: string) => `sum ${by(...labels)} (${expr})`;
export const max = (labels: readonly string[], expr: string) => `max ${by(...labels)} (${expr})`;

/**
 * How much counters grew in a time. Those of our processes begin to be there with their first event, which `increase` does not
 * see, and which may be the one that matters: of a counter that was not there before, all of it counts. Unless nothing of ours
 * was scraped before, as after the installation of Prometheus, when it may be months old.
 */
export const growth = (counter: string, time: string) =>
  `(increase(${counter}[${time}]) and ${counter} offset ${time})` +
  ` or ((${counter} unless ${counter} offset ${time}) and on () (${ours('up')} offset ${time}))`;

/** What gateways tell of a server, which they call by the name of its Deployment: by its key, as everything else has it. */
export const byServerKey = (expr: string) => `label_replace(${expr}, "server", "$1", "server", "${marks.prefix}(.+)")`;

/** Samples that have a pod, with the labels that ours have: samples of pods of other releases are left out. */
export const ofOurPods = (expr: string) =>
  `(${expr}) * on (namespace, pod) group_left (release, component, server) ${ours('pod:server:info')}`;

/** Samples that have a model, with its server beside it. */
export const withServer = (expr: string) =>
  `(${expr}) * ${on('model')} group_left (server) ${ours('model:server:info')}`;
