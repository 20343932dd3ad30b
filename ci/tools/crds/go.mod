// Modules whose custom resource definitions tests give to a real API server. They are fetched, never built: see ci/testing/crds.ts.
module model-management/ci/tools/crds

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.1.0
	github.com/external-secrets/external-secrets v1.3.2
	github.com/fluxcd/helm-controller v1.4.3
	github.com/fluxcd/source-controller v1.7.0
	github.com/cilium/cilium v1.20.2
	github.com/grafana/grafana-operator/v5 v5.18.0
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	k8s.io/autoscaler/vertical-pod-autoscaler v1.3.1
	sigs.k8s.io/gateway-api v1.4.1
	sigs.k8s.io/gateway-api-inference-extension v1.1.0
)
