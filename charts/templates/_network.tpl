{{/*
Who is meant by a peer of the values, as peers of a NetworkPolicy. Takes the peer; gives JSON, `[]` for nobody.
*/}}
{{- define "model-management.peers" -}}
{{- $peers := list -}}
{{- if or .namespaceLabels .podLabels -}}
{{- $pods := dict -}}
{{- with .namespaceLabels }}{{ $_ := set $pods "namespaceSelector" (dict "matchLabels" .) }}{{ end -}}
{{- with .podLabels }}{{ $_ := set $pods "podSelector" (dict "matchLabels" .) }}{{ end -}}
{{- $peers = append $peers $pods -}}
{{- end -}}
{{- range include "model-management.ipBlocks" (.addresses | default list) | fromJsonArray -}}
{{- $peers = append $peers (dict "ipBlock" .) -}}
{{- end -}}
{{- toJson $peers -}}
{{- end -}}

{{/* Blocks of addresses of the values, as they are in policies. Takes the list; gives JSON. */}}
{{- define "model-management.ipBlocks" -}}
{{- $private4 := list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10" -}}
{{- $private6 := list "fc00::/7" -}}
{{- $blocks := list -}}
{{- range . -}}
{{- if eq . "private" -}}
{{- range concat $private4 $private6 }}{{ $blocks = append $blocks (dict "cidr" .) }}{{ end -}}
{{- else if eq . "public" -}}
{{- $blocks = append $blocks (dict "cidr" "0.0.0.0/0" "except" (append $private4 "169.254.0.0/16")) -}}
{{- $blocks = append $blocks (dict "cidr" "::/0" "except" (append $private6 "fe80::/10")) -}}
{{- else -}}
{{- $blocks = append $blocks (dict "cidr" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $blocks -}}
{{- end -}}

{{/* The release's own pods of a component as a peer. Takes: root, component; gives JSON. */}}
{{- define "model-management.ownPeer" -}}
{{- list (dict "podSelector" (dict "matchLabels" (include "model-management.identity" . | fromJson))) | toJson -}}
{{- end -}}

{{/*
Rules of a NetworkPolicy: none where there is nobody or no port, since a rule without them lets through all.
Takes: direction (from, to), peers (JSON), ports, protocols (optional, TCP); gives JSON, a list of at most one.
*/}}
{{- define "model-management.networkRules" -}}
{{- $rules := list -}}
{{- $ports := list -}}
{{- range $protocol := .protocols | default (list "TCP") -}}
{{- range $.ports }}{{ $ports = append $ports (dict "protocol" $protocol "port" (int .)) }}{{ end -}}
{{- end -}}
{{- $peers := .peers | fromJsonArray -}}
{{- if and $peers $ports -}}
{{- $rules = append $rules (dict .direction $peers "ports" $ports) -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}

{{/* Port of a URL, by its scheme where it names none. Takes the URL; gives a number. */}}
{{- define "model-management.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}

{{/*
What each kind of pods has to reach outside of the release, a list of dicts:
  name       what comes after the release's own name in that of its policy
  selector   the pods
  dns        whether they look up names
  apiServer  whether they ask the API server
  models     whether they pull models from the registry itself, and not through a proxy
  rules      further rules, of a NetworkPolicy
Servers that pull nothing and send no traces need nothing at all. Takes the root; gives JSON.
*/}}
{{- define "model-management.networkNeeds" -}}
{{- include "model-management.resolve" . -}}
{{- $policy := .Values.networkPolicy -}}
{{- $registry := .Values.modelRegistry -}}
{{- $selector := dict -}}
{{- range list "gateway" "server" "puller" "forecaster" "backup" -}}
{{- $_ := set $selector . (dict "matchLabels" (include "model-management.identity" (dict "root" $ "component" .) | fromJson)) -}}
{{- end -}}
{{- $needs := list (dict "name" "gateway-egress" "selector" $selector.gateway "dns" true "apiServer" true) -}}
{{- if .Values.forecaster.enabled -}}
{{- $prometheus := dict "direction" "to" "peers" (include "model-management.peers" $policy.prometheus) "ports" $policy.prometheus.ports -}}
{{- $needs = append $needs (dict "name" "forecaster-egress" "selector" $selector.forecaster "dns" true "rules" (include "model-management.networkRules" $prometheus | fromJsonArray)) -}}
{{- end -}}
{{- if .Values.backup.enabled -}}
{{- $servers := dict "direction" "to" "peers" (include "model-management.ownPeer" (dict "root" $ "component" "server")) "ports" (list 8080) -}}
{{- $rules := include "model-management.networkRules" $servers | fromJsonArray -}}
{{- if .Values.backup.repository -}}
{{- $repository := dict "direction" "to" "peers" (include "model-management.peers" $policy.backupRepository) "ports" $policy.backupRepository.ports -}}
{{- $rules = concat $rules (include "model-management.networkRules" $repository | fromJsonArray) -}}
{{- end -}}
{{- $needs = append $needs (dict "name" "backup-egress" "selector" $selector.backup "dns" true "apiServer" true "rules" $rules) -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- $collector := dict "direction" "to" "peers" (include "model-management.peers" $policy.collector) "ports" (list (include "model-management.portOf" .)) -}}
{{- $rules := include "model-management.networkRules" $collector | fromJsonArray -}}
{{- range list "gateway" "server" -}}
{{- $needs = append $needs (dict "name" (printf "%s-traces" .) "selector" (get $selector .) "dns" true "rules" $rules) -}}
{{- end -}}
{{- end -}}
{{- $pull := dict "dns" true "models" (or (not $registry.httpsProxy) $registry.insecure) -}}
{{- with $registry.httpsProxy -}}
{{- $proxy := dict "direction" "to" "peers" (include "model-management.peers" $policy.httpsProxy) "ports" (list (include "model-management.portOf" .)) -}}
{{- $_ := set $pull "rules" (include "model-management.networkRules" $proxy | fromJsonArray) -}}
{{- end -}}
{{- $pulling := list -}}
{{- range .Values.resolved }}{{ if eq .server.cache.mode "ephemeral" }}{{ $pulling = append $pulling .key }}{{ end }}{{ end -}}
{{- if $pulling -}}
{{- $pods := deepCopy $selector.server -}}
{{- if lt (len $pulling) (len .Values.resolved) -}}
{{- $_ := set $pods "matchExpressions" (list (dict "key" "model-management.fineprint.ai/server" "operator" "In" "values" $pulling)) -}}
{{- end -}}
{{- $needs = append $needs (merge (dict "name" "server-models" "selector" $pods) $pull) -}}
{{- end -}}
{{- if include "model-management.sharedBuilds" . | fromJsonArray -}}
{{- $needs = append $needs (merge (dict "name" "puller-models" "selector" $selector.puller) $pull) -}}
{{- end -}}
{{- toJson $needs -}}
{{- end -}}

{{/* Metadata of a policy. Takes: root, name. */}}
{{- define "model-management.policyMetadata" -}}
name: {{ include "model-management.name" (dict "root" .root "name" "model-management" "suffix" (printf "-%s" .name)) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "model-management.labels" (dict "root" .root "component" "network") | nindent 2 }}
{{- end -}}

{{/* A NetworkPolicy. Takes: root, name, selector, ingress (optional), egress (optional): rules of the directions that it is about. */}}
{{- define "model-management.networkPolicy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "model-management.policyMetadata" . | nindent 2 }}
spec:
  podSelector:
    {{- toYaml .selector | nindent 4 }}
  policyTypes:
    {{- if hasKey . "ingress" }}
    - Ingress
    {{- end }}
    {{- if hasKey . "egress" }}
    - Egress
    {{- end }}
  {{- range $direction := list "ingress" "egress" }}
  {{- with get $ $direction }}
  {{ $direction }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
