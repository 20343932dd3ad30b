{{/* Where the agents of a server answer. Takes: root, name (of its Service). */}}
{{- define "model-management.serverUrl" -}}
{{- printf "http://%s.%s.svc:8080" .name .root.Release.Namespace -}}
{{- end -}}

{{/*
Configuration of the gateway (GatewayConfig in schema/config.ts), without the models that are there for the one before alone.
Takes the root; gives JSON.
*/}}
{{- define "model-management.gatewayConfig" -}}
{{- include "model-management.resolve" . -}}
{{- $models := dict -}}
{{- $servers := dict -}}
{{- $retiring := (include "model-management.held" . | fromJson).retiring | default list -}}
{{- range $name, $it := .Values.resolved -}}
{{- $server := dict
      "url" (include "model-management.serverUrl" (dict "root" $ "name" $name))
      "slots" (add (int $it.server.ollama.parallel) (int $.Values.agent.allowance))
      "pods" (dict "min" $it.fewest "max" (int $it.server.replicas.max)) -}}
{{- if and $it.scaled (eq $.Values.autoscaling.signals "demand") -}}
{{- $_ := set $server "schedule" (dict
      "timeZone" $.Values.autoscaling.timeZone
      "otherwise" (int $it.server.replicas.min)
      "windows" $it.server.autoscaling.schedule) -}}
{{- end -}}
{{- with $it.server.costPerHour }}{{ $_ := set $server "costPerHour" . }}{{ end -}}
{{- range $alias, $model := $it.models -}}
{{- if not (has $alias $retiring) -}}
{{- $_ := set $servers $name $server -}}
{{- $_ := set $models $alias (dict
      "name" $model.name
      "server" $name
      "aliases" $model.aliases
      "fallbacks" $model.fallbacks
      "queue" (dict
        "depth" (int $model.queue.depth)
        "waitSeconds" (int $model.queue.waitSeconds)
        "holdSeconds" (int $model.queue.holdSeconds))) -}}
{{- with $model.canary -}}
{{- $_ := set (get $models $alias) "canary" (dict "model" .model "percent" (int .percent)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $config := dict
      "models" $models
      "servers" $servers
      "namespace" .Release.Namespace
      "apiKeysFile" (ternary (printf "%s/%s" (include "model-management.apiKeysFolder" .) .Values.gateway.apiKeys.secretKey) "" .Values.gateway.apiKeys.enabled)
      "generationTimeoutSeconds" (int .Values.generationTimeoutSeconds)
      "maxBodyMiB" (int .Values.gateway.maxBodyMiB)
      "logLevel" .Values.gateway.logLevel
      "tracing" (include "model-management.tracing" . | fromJson) -}}
{{- if .Values.gateway.statusPage.enabled -}}
{{- $page := dict "service" (include "model-management.serviceName" .) -}}
{{- if .Values.forecaster.enabled -}}
{{- $_ := set $page "forecaster" (printf "http://%s.%s.svc:9090" (include "model-management.forecasterName" .) .Release.Namespace) -}}
{{- end -}}
{{- $_ := set $config "statusPage" $page -}}
{{- end -}}
{{- if .Values.backup.enabled -}}
{{- $_ := set $config "backupStatusFile" (printf "%s/status.json" (include "model-management.backupStatusFolder" .)) -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}

{{/* Configuration of the forecaster (ForecasterConfig in schema/config.ts). Takes the root; gives JSON. */}}
{{- define "model-management.forecasterConfig" -}}
{{- include "model-management.resolve" . -}}
{{- $servers := dict -}}
{{- range $name, $it := .Values.resolved -}}
{{- if .scaled -}}
{{- $_ := set $servers .key (dict
      "deployment" $name
      "target" (divf (float64 .server.autoscaling.targetUtilizationPercent) 100)
      "startSeconds" (add (int .server.startup.downloadSeconds) (int .server.startup.loadSeconds))) -}}
{{- end -}}
{{- end -}}
{{- toPrettyJson (dict
      "prometheusUrl" .Values.autoscaling.prometheusUrl
      "namespace" .Release.Namespace
      "release" .Release.Name
      "binSeconds" (mul 60 (int .Values.forecaster.binMinutes))
      "quantile" (divf (float64 .Values.forecaster.quantilePercent) 100)
      "tolerance" (include "model-management.scaleUpTolerance" . | float64)
      "servers" $servers
      "logLevel" .Values.forecaster.logLevel) -}}
{{- end -}}

{{/* Where traces go. Takes the root; gives JSON. */}}
{{- define "model-management.tracing" -}}
{{- toJson (dict "endpoint" .Values.tracing.endpoint "sampleRatio" (float64 .Values.tracing.sampleRatio)) -}}
{{- end -}}

{{/* Where the Secret with the API keys is mounted. */}}
{{- define "model-management.apiKeysFolder" -}}
/etc/model-management-keys
{{- end -}}

{{/*
Seconds of a time as Ollama writes it, for a model that is unused: 0 for -1, since it stays, and 1 for `0`, at once; at
most a year. Takes the time.
*/}}
{{- define "model-management.idleSeconds" -}}
{{- if eq . "-1" -}}
0
{{- else -}}
{{- $seconds := mul (regexFind "^[0-9]+" . | int64) (get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .) | default 1) -}}
{{- max 1 (min 31536000 $seconds) -}}
{{- end -}}
{{- end -}}

{{/*
Configuration of a server's agents (AgentConfig in schema/config.ts). Takes: root, it (a resolved server), forChecksum (left
out, or true to leave out what agents take up without a restart of their pods and is changed in the middle of trouble);
gives JSON.
*/}}
{{- define "model-management.agentConfig" -}}
{{- $models := dict -}}
{{- range $alias, $model := .it.models -}}
{{- $_ := set $models $alias (dict
      "name" $model.name
      "priority" $model.priority
      "idleSeconds" (include "model-management.idleSeconds" $model.keepAlive | int64)
      "memoryMiB" (include "model-management.loadedMiB" (dict "it" $.it "model" $model) | int64)
      "runnerOptions" $model.runnerOptions) -}}
{{- end -}}
{{- $config := dict
      "server" .it.key
      "models" $models
      "ollamaUrl" "http://127.0.0.1:11434"
      "parallel" (int .it.server.ollama.parallel)
      "allowance" (int .root.Values.agent.allowance)
      "maxBodyMiB" (int .root.Values.gateway.maxBodyMiB)
      "memoryMiB" .it.memory
      "loadTimeoutSeconds" (int .it.server.startup.loadSeconds)
      "generationTimeoutSeconds" (int .root.Values.generationTimeoutSeconds)
      "logLevel" .root.Values.agent.logLevel -}}
{{- if ne .it.server.cache.mode "image" -}}
{{- $_ := set $config "modelsFolder" "/models" -}}
{{- end -}}
{{- if not (hasKey . "forChecksum") -}}
{{- $_ := set $config "tracing" (include "model-management.tracing" .root | fromJson) -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}

{{/* Data of a server's ConfigMap: what its pods are told, and what their checksum covers. Takes what agentConfig takes. */}}
{{- define "model-management.serverConfig" -}}
config.json: |
  {{- include "model-management.agentConfig" . | nindent 2 }}
{{ include "model-management.modelSpecs" (dict "root" .root "builds" (include "model-management.builds" .it | fromJsonArray)) }}
{{- end -}}
