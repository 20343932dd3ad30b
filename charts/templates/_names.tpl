{{/*
Name of an object: the release's prefix, the name, a suffix. What is too long for a DNS label is cut before the suffix, so
that the kinds of one server stay apart.
Takes: root, name, suffix (optional, with its dash).
*/}}
{{- define "model-management.name" -}}
{{- $suffix := .suffix | default "" -}}
{{- $length := int (sub 63 (len $suffix)) -}}
{{- printf "%s%s" (printf "%s%s" .root.Values.namePrefix .name | trunc $length | regexFind "^.*[^-]") $suffix -}}
{{- end -}}

{{/* Name of the Deployment of a server's pods that never run on spot nodes. Takes the name of the server. */}}
{{- define "model-management.onDemandName" -}}
{{- $suffix := "-on-demand" -}}
{{- printf "%s%s" (trunc (int (sub 63 (len $suffix))) . | regexFind "^.*[^-]") $suffix -}}
{{- end -}}

{{/* Name of the gateway's Service, the one address that clients use. Takes the root. */}}
{{- define "model-management.serviceName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management") -}}
{{- end -}}

{{/* Name of the Ingress of the status page, where that has one of its own. Takes the root. */}}
{{- define "model-management.uiIngressName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management" "suffix" "-ui") -}}
{{- end -}}

{{/* Name of the HTTPRoute from HTTP to HTTPS. Takes the root. */}}
{{- define "model-management.redirectRouteName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management" "suffix" "-redirect") -}}
{{- end -}}

{{/* Name of everything else that belongs to the gateway. Takes the root. */}}
{{- define "model-management.gatewayName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-gateway") -}}
{{- end -}}

{{/* Name of everything that belongs to the forecaster. Takes the root. */}}
{{- define "model-management.forecasterName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-forecaster") -}}
{{- end -}}

{{/* Name of what all servers share. Takes the root. */}}
{{- define "model-management.serversName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-servers") -}}
{{- end -}}

{{/* Name of the rules for Prometheus. Takes the root. */}}
{{- define "model-management.rulesName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-rules") -}}
{{- end -}}

{{/* Name of a dashboard. Takes: root, file (its path). */}}
{{- define "model-management.dashboardName" -}}
{{- include "model-management.name" (dict "root" .root "name" (printf "model-management-dashboard-%s" (base .file | trimSuffix ".json"))) -}}
{{- end -}}

{{/* Name of the claim of the cache mode `shared`. Takes the root. */}}
{{- define "model-management.sharedClaimName" -}}
{{- .Values.sharedCache.existingClaim | default (include "model-management.name" (dict "root" . "name" "model-management-models")) -}}
{{- end -}}

{{/*
The one spelling of a model's name, for comparing: with host, namespace and tag, in lower case. Ollama fills in
`registry.ollama.ai`, `library` and `latest`, and finds models without regard to case. Takes the name.
*/}}
{{- define "model-management.canonicalName" -}}
{{- $name := lower . -}}
{{- $parts := splitList "/" $name -}}
{{- if not (contains ":" (last $parts)) }}{{ $name = printf "%s:latest" $name }}{{ end -}}
{{- if lt (len $parts) 2 }}{{ $name = printf "library/%s" $name }}{{ end -}}
{{- if lt (len $parts) 3 }}{{ $name = printf "registry.ollama.ai/%s" $name }}{{ end -}}
{{- $name -}}
{{- end -}}

{{/* Reference of an image. Takes: root, image; an empty tag stands for the chart's appVersion. */}}
{{- define "model-management.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
