import { readFileSync } from 'node:fs';
import path from 'node:path';
import { goToolchain, moduleVersions } from '../tools/go.ts';
import { root } from '../tools/paths.ts';
import { run } from '../tools/run.ts';

/**
 * The folder of a Go module that the go.mod of a family pins, fetched if it is not there and checked against its go.sum. Those of
 * `crds` are there for this alone.
 */
export async function moduleFolder(name: string, family = 'crds'): Promise<string> {
  const folder = path.join(root, 'ci/tools', family);
  const version = moduleVersions(readFileSync(path.join(folder, 'go.mod'), 'utf8')).get(name);
  if (!version) throw new Error(`${name}: not in ci/tools/${family}/go.mod: add it there, with its lines in go.sum`);
  const { command } = await goToolchain();
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local', GOWORK: 'off' };
  const said = await run(command, ['mod', 'download', '-json', `${name}@${version}`], { cwd: folder, env });
  return JSON.parse(said).Dir;
}

const operator = 'github.com/prometheus-operator/prometheus-operator';

/** A file of KEDA's own manifests, which are in its module. */
export const ofKeda = async (file: string): Promise<string> =>
  path.join(await moduleFolder('github.com/kedacore/keda/v2'), 'config', file);

/** The files of the custom resource definitions that the chart's switches need, by the operator whose they are. */
export const definitions = {
  argo: async () => [
    path.join(await moduleFolder('github.com/argoproj/argo-cd/v3'), 'manifests/crds/application-crd.yaml'),
  ],
  flux: async () => [
    path.join(
      await moduleFolder('github.com/fluxcd/helm-controller'),
      'config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml',
    ),
    path.join(
      await moduleFolder('github.com/fluxcd/source-controller'),
      'config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml',
    ),
  ],
  cilium: async () => [
    path.join(
      await moduleFolder('github.com/cilium/cilium'),
      'pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml',
    ),
  ],
  'external-secrets': async () => {
    const folder = path.join(await moduleFolder('github.com/external-secrets/external-secrets'), 'config/crds/bases');
    return ['externalsecrets', 'secretstores'].map((kind) => path.join(folder, `external-secrets.io_${kind}.yaml`));
  },
  /** Of the version whose operator tests start, with what it does not start without. */
  'external-secrets-operator': async () => {
    const module = await moduleFolder('github.com/external-secrets/external-secrets', 'external-secrets');
    const kinds = ['external-secrets.io_externalsecrets', 'external-secrets.io_secretstores'];
    return [...kinds, 'generators.external-secrets.io_generatorstates'].map((kind) =>
      path.join(module, 'config/crds/bases', `${kind}.yaml`),
    );
  },
  gateway: async () => {
    const folder = path.join(await moduleFolder('sigs.k8s.io/gateway-api'), 'config/crd/standard');
    return ['gatewayclasses', 'gateways', 'grpcroutes', 'httproutes', 'referencegrants', 'backendtlspolicies'].map(
      (kind) => path.join(folder, `gateway.networking.k8s.io_${kind}.yaml`),
    );
  },
  grafana: async () => [
    path.join(
      await moduleFolder('github.com/grafana/grafana-operator/v5'),
      'deploy/helm/grafana-operator/crds/grafana.integreatly.org_grafanadashboards.yaml',
    ),
  ],
  inference: async () => [
    path.join(
      await moduleFolder('sigs.k8s.io/gateway-api-inference-extension'),
      'config/crd/bases/inference.networking.k8s.io_inferencepools.yaml',
    ),
  ],
  karpenter: async () => {
    const folder = await moduleFolder('sigs.k8s.io/karpenter', 'karpenter');
    const own = ['nodeclaims', 'nodeoverlays', 'nodepools'].map((kind) => `pkg/apis/crds/karpenter.sh_${kind}.yaml`);
    return [...own, 'kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml'].map((file) => path.join(folder, file));
  },
  keda: async () => [await ofKeda('crd/bases/keda.sh_scaledobjects.yaml')],
  /** The others that KEDA does not start without. */
  'keda-operator': async () => [await ofKeda('crd/bases')],
  'vertical-pod-autoscaler': async () => [
    path.join(await moduleFolder('k8s.io/autoscaler/vertical-pod-autoscaler'), 'deploy/vpa-v1-crd-gen.yaml'),
  ],
  prometheus: async () => {
    const folder = path.join(await moduleFolder(operator), 'example/prometheus-operator-crd');
    return ['podmonitors', 'prometheusrules'].map((kind) => path.join(folder, `monitoring.coreos.com_${kind}.yaml`));
  },
} as const;

/** `await using` them: a cluster's API server knows them until the end of the scope. */
export async function defined(
  kubectl: (args: readonly string[]) => Promise<string>,
  which: keyof typeof definitions,
): Promise<AsyncDisposable> {
  const files = (await definitions[which]()).flatMap((file) => ['--filename', file]);
  await kubectl(['apply', '--server-side', ...files]);
  await kubectl(['wait', '--for=condition=Established', '--timeout=30s', ...files]);
  return {
    [Symbol.asyncDispose]: async () => {
      await kubectl(['delete', ...files]);
    },
  };
}
