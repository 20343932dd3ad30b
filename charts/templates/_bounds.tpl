{{/*
Every container that the release may run, with how many pods of it there are at the most: a list of dicts with pods, surge
(pods more, while a rollout replaces one), cpu (millicores requested), memory (bytes requested and allowed), gpus (by
what a quota counts them as). Quota and limit range come from it. Takes the root; gives JSON.
*/}}
{{- define "model-management.containers" -}}
{{- include "model-management.resolve" . -}}
{{- $containers := list -}}
{{- range $it := .Values.resolved -}}
{{- $gpus := include "model-management.gpuQuota" .server | fromJson -}}
{{- $deployments := ternary 2 1 (gt (int .server.replicas.onDemand) 0) -}}
{{- $pods := dict "pods" (int .server.replicas.max) "surge" $deployments -}}
{{- $containers = append $containers (merge (include "model-management.size" .server.resources | fromJson) $pods (dict "main" true "gpus" $gpus)) -}}
{{- $containers = append $containers (merge (include "model-management.size" $.Values.agent.resources | fromJson) $pods) -}}
{{- $like := .key -}}
{{- range $.Values.autoscaling.placeholders -}}
{{- if eq .server $like -}}
{{- $holding := dict "pods" (int .pods) "surge" 0 -}}
{{- $containers = append $containers (merge (include "model-management.size" $it.server.resources | fromJson) $holding (dict "main" true "gpus" $gpus)) -}}
{{- $containers = append $containers (merge (include "model-management.size" $.Values.agent.resources | fromJson) $holding) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $gateway := .Values.gateway -}}
{{- $containers = append $containers (merge (include "model-management.size" $gateway.resources | fromJson)
      (dict "pods" (mul (int $gateway.replicas.max) (ternary 2 1 (eq $gateway.strategy "blueGreen"))) "surge" 1 "main" true)) -}}
{{- if .Values.forecaster.enabled -}}
{{- $containers = append $containers (merge (include "model-management.size" .Values.forecaster.resources | fromJson)
      (dict "pods" 1 "surge" 1 "main" true)) -}}
{{- end -}}
{{- if include "model-management.sharedBuilds" . | fromJsonArray -}}
{{- $containers = append $containers (merge (include "model-management.size" .Values.serverDefaults.resources | fromJson)
      (dict "pods" 1 "surge" 1 "main" true)) -}}
{{- end -}}
{{- if .Values.backup.enabled -}}
{{- $containers = append $containers (merge (include "model-management.size" .Values.backup.resources | fromJson)
      (dict "pods" 1 "surge" 0 "main" true)) -}}
{{- end -}}
{{- toJson $containers -}}
{{- end -}}

{{/* Takes: cpu, cpuRequest (optional), memory (quantities); gives JSON with cpu requested in millicores and memory in bytes. */}}
{{- define "model-management.size" -}}
{{- toJson (dict "cpu" (include "model-management.millicores" (.cpuRequest | default .cpu) | int64) "memory" (include "model-management.bytes" .memory | int64)) -}}
{{- end -}}
