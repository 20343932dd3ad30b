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
