{{/* Where the agents of a server answer. Takes: root, name (of its Service). */}}
{{- define "model-management.serverUrl" -}}
{{- printf "http://%s.%s.svc:8080" .name .root.Release.Namespace -}}
{{- end -}}

{{/* Configuration of the gateway (GatewayConfig in schema/config.ts). Takes the root; gives JSON. */}}
{{- define "model-management.gatewayConfig" -}}
{{- include "model-management.resolve" . -}}
{{- $models := dict -}}
{{- $servers := dict -}}
{{- range $name, $it := .Values.resolved -}}
{{- $_ := set $servers $name (dict "url" (include "model-management.serverUrl" (dict "root" $ "name" $name))) -}}
{{- range $alias, $model := $it.models -}}
{{- $_ := set $models $alias (dict "name" $model.name "server" $name) -}}
{{- end -}}
{{- end -}}
{{- toPrettyJson (dict
      "models" $models
      "servers" $servers
      "generationTimeoutSeconds" (int .Values.generationTimeoutSeconds)
      "maxBodyMiB" (int .Values.gateway.maxBodyMiB)
      "logLevel" .Values.gateway.logLevel) -}}
{{- end -}}

{{/* Configuration of a server's agents (AgentConfig in schema/config.ts). Takes: root, it (a resolved server); gives JSON. */}}
{{- define "model-management.agentConfig" -}}
{{- $models := dict -}}
{{- range $alias, $model := .it.models -}}
{{- $_ := set $models $alias (dict "name" $model.name "priority" $model.priority) -}}
{{- end -}}
{{- toPrettyJson (dict
      "server" .it.key
      "models" $models
      "ollamaUrl" "http://127.0.0.1:11434"
      "parallel" (int .it.server.ollama.parallel)
      "loadTimeoutSeconds" (int .it.server.startup.loadSeconds)
      "generationTimeoutSeconds" (int .root.Values.generationTimeoutSeconds)
      "logLevel" .root.Values.agent.logLevel) -}}
{{- end -}}

{{/* Data of a server's ConfigMap: what its pods are told, and what their checksum covers. Takes: root, it (a resolved server). */}}
{{- define "model-management.serverConfig" -}}
config.json: |
  {{- include "model-management.agentConfig" . | nindent 2 }}
{{ include "model-management.modelSpecs" (dict "root" .root "builds" (include "model-management.builds" .it | fromJsonArray)) }}
{{- end -}}
