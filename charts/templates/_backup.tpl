{{/* Name of all that belongs to backups. Takes the root. */}}
{{- define "model-management.backupName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-backup") -}}
{{- end -}}

{{/* Name of the ConfigMap in which a backup says how it went. Nobody else writes to it. Takes the root. */}}
{{- define "model-management.backupStatusName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-backup" "suffix" "-status") -}}
{{- end -}}

{{/* Where gateways have that. */}}
{{- define "model-management.backupStatusFolder" -}}
/etc/model-management-backup
{{- end -}}

{{/* Name of the claim that copies are on, or nothing where they are elsewhere. Takes the root. */}}
{{- define "model-management.backupClaim" -}}
{{- if not .Values.backup.repository -}}
{{- .Values.backup.claim.existingClaim | default (include "model-management.backupName" .) -}}
{{- end -}}
{{- end -}}

{{/*
What of the API a copy has: the resources of every kind that the chart makes with these values, but of Secrets, which it makes none of.
Takes the root; gives JSON, a list of such as `apps/v1/deployments`.
*/}}
{{- define "model-management.backupResources" -}}
{{- include "model-management.resolve" . -}}
{{- $values := .Values -}}
{{- $core := list "services" "configmaps" "serviceaccounts" "persistentvolumeclaims" -}}
{{- if $values.limitRange.enabled }}{{ $core = append $core "limitranges" }}{{ end -}}
{{- if $values.resourceQuota.enabled }}{{ $core = append $core "resourcequotas" }}{{ end -}}
{{- $batch := list "cronjobs" -}}
{{- if include "model-management.sharedBuilds" . | fromJsonArray }}{{ $batch = append $batch "jobs" }}{{ end -}}
{{- $network := list "ingresses" -}}
{{- if $values.networkPolicy.enabled }}{{ $network = append $network "networkpolicies" }}{{ end -}}
{{- $all := dict
      "v1" $core
      "apps/v1" (list "deployments")
      "autoscaling/v2" (list "horizontalpodautoscalers")
      "batch/v1" $batch
      "networking.k8s.io/v1" $network
      "policy/v1" (list "poddisruptionbudgets")
      "rbac.authorization.k8s.io/v1" (list "roles" "rolebindings") -}}
{{- $gatewayApi := list -}}
{{- if and $values.ingress.enabled (eq $values.ingress.kind "httpRoute") -}}
{{- $gatewayApi = append $gatewayApi "httproutes" -}}
{{- if $values.ingress.gateway.create }}{{ $gatewayApi = append $gatewayApi "gateways" }}{{ end -}}
{{- end -}}
{{- $prometheus := list -}}
{{- if eq $values.monitoring.scrape.method "podMonitor" }}{{ $prometheus = append $prometheus "podmonitors" }}{{ end -}}
{{- if eq $values.monitoring.rules.delivery "prometheusRule" }}{{ $prometheus = append $prometheus "prometheusrules" }}{{ end -}}
{{- $claims := list -}}
{{- range $values.resolved }}{{ if include "model-management.gpuIsClaim" .server }}{{ $claims = list "resourceclaimtemplates" }}{{ end }}{{ end -}}
{{- $policies := ternary $values.networkPolicy.engine "" $values.networkPolicy.enabled -}}
{{- $custom := dict
      "gateway.networking.k8s.io/v1" $gatewayApi
      "external-secrets.io/v1" (ternary (list "externalsecrets") list $values.externalSecrets.enabled)
      "monitoring.coreos.com/v1" $prometheus
      "grafana.integreatly.org/v1beta1" (ternary (list "grafanadashboards") list (eq $values.monitoring.dashboards.delivery "grafanaDashboard"))
      "keda.sh/v1alpha1" (ternary (list "scaledobjects") list (eq $values.autoscaling.engine "keda"))
      "autoscaling.k8s.io/v1" (ternary (list "verticalpodautoscalers") list $values.autoscaling.recommendations)
      "inference.networking.k8s.io/v1" (ternary (list "inferencepools") list $values.inferencePool.enabled)
      "cilium.io/v2" (ternary (list "ciliumnetworkpolicies") list (eq $policies "cilium"))
      "networking.k8s.aws/v1alpha1" (ternary (list "applicationnetworkpolicies") list (eq $policies "eksAutoMode"))
      "resource.k8s.io/v1" $claims -}}
{{- $names := list -}}
{{- range $api, $resources := merge $all $custom -}}
{{- range $resources }}{{ $names = append $names (printf "%s/%s" $api .) }}{{ end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Configuration of a backup (BackupConfig in schema/config.ts). Takes the root; gives JSON. */}}
{{- define "model-management.backupConfig" -}}
{{- include "model-management.resolve" . -}}
{{- $servers := dict -}}
{{- $pulled := list -}}
{{- range $name, $it := .Values.resolved -}}
{{- $_ := set $servers $it.key (include "model-management.serverUrl" (dict "root" $ "name" $name)) -}}
{{- range $it.models }}{{ $pulled = append $pulled (include "model-management.pullName" (dict "root" $ "model" .)) }}{{ end -}}
{{- end -}}
{{- $secrets := concat .Values.imagePullSecrets (list .Values.backup.existingSecret) -}}
{{- with .Values.gateway.apiKeys }}{{ if .enabled }}{{ $secrets = append $secrets .existingSecret }}{{ end }}{{ end -}}
{{- with .Values.ingress }}{{ if and .enabled .tls.enabled (or (eq .kind "ingress") .gateway.create) }}{{ $secrets = append $secrets .tls.secretName }}{{ end }}{{ end -}}
{{- toPrettyJson (dict
      "release" .Release.Name
      "chart" .Chart.Version
      "namespace" .Release.Namespace
      "servers" $servers
      "pulled" (uniq $pulled | sortAlpha)
      "baseModels" .Values.backup.baseModels
      "secrets" (uniq $secrets | sortAlpha)
      "resources" (include "model-management.backupResources" . | fromJsonArray)
      "statusConfigMap" (include "model-management.backupStatusName" .)) -}}
{{- end -}}

{{/* The values of the release, as Helm had them: what templates add to them is left out. Takes the root; gives JSON. */}}
{{- define "model-management.backupValues" -}}
{{- omit .Values "resolved" | toJson -}}
{{- end -}}

{{/* A container of the service's image in a backup's pod. Takes: root, name, args, mounts (lists). */}}
{{- define "model-management.backupStep" -}}
- name: {{ .name }}
  image: {{ include "model-management.image" (dict "root" .root "image" .root.Values.image) | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    {{- toYaml (concat (list "/app/service/backup/main.ts" .name "--config" "/etc/model-management/config.json") .args) | nindent 4 }}
  resources:
    {{- include "model-management.serviceResources" .root.Values.backup.resources | nindent 4 }}
  securityContext:
    {{- include "model-management.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: config
      mountPath: /etc/model-management
      readOnly: true
    - name: work
      mountPath: /backup
    {{- with .mounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
