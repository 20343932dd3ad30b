{{/*
The Secrets of the release that come from a store. Takes the root; gives JSON, a list of name, component, type (empty for Opaque)
and entries, each with where the store has it.
*/}}
{{- define "model-management.externalSecrets" -}}
{{- $secrets := list -}}
{{- with .Values.externalSecrets -}}
{{- if .enabled -}}
{{- if and .apiKeys.key $.Values.gateway.apiKeys.enabled -}}
{{- $keys := $.Values.gateway.apiKeys -}}
{{- $secrets = append $secrets (dict "name" $keys.existingSecret "component" "gateway" "type" "" "entries" (dict $keys.secretKey .apiKeys)) -}}
{{- end -}}
{{- if and .backup $.Values.backup.enabled -}}
{{- $secrets = append $secrets (dict "name" $.Values.backup.existingSecret "component" "backup" "type" "" "entries" .backup) -}}
{{- end -}}
{{- range $name, $remote := .imagePullSecrets -}}
{{- $secrets = append $secrets (dict "name" $name "component" "images" "type" "kubernetes.io/dockerconfigjson" "entries" (dict ".dockerconfigjson" $remote)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end -}}

{{/* Stores without a name, and Secrets that nobody or two want. Takes the root; gives JSON. */}}
{{- define "model-management.externalSecretMistakes" -}}
{{- $mistakes := list -}}
{{- with .Values.externalSecrets -}}
{{- if .enabled -}}
{{- if not .secretStoreRef.name -}}
{{- $mistakes = append $mistakes (printf "externalSecrets.secretStoreRef.name: is empty: name the %s, or set externalSecrets.enabled to false" .secretStoreRef.kind) -}}
{{- end -}}
{{- if not (or .apiKeys.key .backup .imagePullSecrets) -}}
{{- $mistakes = append $mistakes "externalSecrets: enabled, and takes nothing from the store: name where it has apiKeys, backup or imagePullSecrets, or set enabled to false" -}}
{{- end -}}
{{- if and .apiKeys.key (not $.Values.gateway.apiKeys.enabled) -}}
{{- $mistakes = append $mistakes "externalSecrets.apiKeys: names keys, and gateway.apiKeys.enabled is false: set that to true, or key to \"\"" -}}
{{- end -}}
{{- if and .backup (not $.Values.backup.enabled) -}}
{{- $mistakes = append $mistakes "externalSecrets.backup: has variables, and backup.enabled is false: set that to true, or remove them" -}}
{{- else if and .backup (not (hasKey .backup "RESTIC_PASSWORD")) -}}
{{- $mistakes = append $mistakes "externalSecrets.backup: lacks RESTIC_PASSWORD, without which there is no repository: say where the store has it" -}}
{{- end -}}
{{- range $name, $_ := .imagePullSecrets -}}
{{- if not (has $name $.Values.imagePullSecrets) -}}
{{- $mistakes = append $mistakes (printf "externalSecrets.imagePullSecrets.%s: is not in imagePullSecrets: add it there, or remove it" $name) -}}
{{- end -}}
{{- end -}}
{{- range $what, $remotes := dict "backup" .backup "imagePullSecrets" .imagePullSecrets -}}
{{- range $name, $remote := $remotes -}}
{{- if not $remote.key -}}
{{- $mistakes = append $mistakes (printf "externalSecrets.%s.%s.key: is empty: say where the store has it, or remove %s" $what $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $owners := dict -}}
{{- range include "model-management.externalSecrets" $ | fromJsonArray -}}
{{- if hasKey $owners .name -}}
{{- $mistakes = append $mistakes (printf "externalSecrets: the Secret %s would be made twice, for %s and for %s: give each a name of its own" .name (get $owners .name) .component) -}}
{{- end -}}
{{- $_ := set $owners .name .component -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
