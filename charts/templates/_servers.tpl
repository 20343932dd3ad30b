{{/*
Resolves the enabled servers once for all templates of a rendering and leaves them in `.Values.resolved`, by the name of
their Deployment. Each has what follows from defaults and overrides:
  server   the merged settings
  models   the models it serves, by key, those that exist, with what they leave unsaid
  memory   MiB that its loaded models may take together: in the GPUs, or without any in the pod; 0 where that is not known
  threads  what Ollama may run at a time: the whole cores of its CPU, at least one
  gpu      whether it has GPUs
  scaled   whether an autoscaler of the chart decides on its pods
  fewest   the fewest pods that it has at any time
  oneNode  whether the claim with its models can be on one node only
Every template that looks at servers includes this first; whichever comes first does the work.
Takes the root.
*/}}
{{- define "model-management.resolve" -}}
{{- if not (hasKey .Values "resolved") -}}
{{- $resolved := dict -}}
{{- range $name, $overrides := .Values.servers -}}
{{- $server := mergeOverwrite (deepCopy $.Values.serverDefaults) (deepCopy $overrides) -}}
{{- if $server.enabled -}}
{{- $models := dict -}}
{{- range $server.models -}}
{{- if hasKey $.Values.models . -}}
{{- $unsaid := dict "name" . "digest" "" "system" "" "parameters" (dict) "priority" "standard" "aliases" list "fallbacks" list
      "keepAlive" $server.ollama.keepAlive "memoryMiB" 0 "runnerOptions" $.Values.agent.runnerOptions -}}
{{- $model := merge (deepCopy (get $.Values.models .)) $unsaid -}}
{{- $_ := set $model "queue" (mergeOverwrite (deepCopy $.Values.gateway.queue) ($model.queue | default dict)) -}}
{{- $_ := set $models . $model -}}
{{- end -}}
{{- end -}}
{{- $gpu := gt (int $server.resources.gpu) 0 -}}
{{- $memory := include "model-management.gpuMemoryMiB" $server | int64 -}}
{{- if not $gpu }}{{ $memory = div (include "model-management.bytes" $server.resources.memory | int64) 1048576 | min 100000000 }}{{ end -}}
{{- $threads := max 1 (div (include "model-management.millicores" $server.resources.cpu | int64) 1000) -}}
{{- $scaled := and $server.autoscaling.enabled (or (eq $.Values.autoscaling.signals "demand") (and (not $gpu) (gt (int $server.replicas.min) 0))) -}}
{{- $fewest := include "model-management.fewestPods" (dict "root" $ "server" $server) | int -}}
{{- /* Beside the pods that stay, an autoscaler keeps one: it takes one to look at. */ -}}
{{- with int $server.replicas.onDemand }}{{ $fewest = max $fewest (add . 1) | int }}{{ end -}}
{{- $oneNode := and (eq $server.cache.mode "shared") (eq $.Values.sharedCache.accessMode "ReadWriteOnce") -}}
{{- $_ := set $resolved (include "model-management.name" (dict "root" $ "name" $name)) (dict
      "key" $name "server" $server "models" $models "memory" $memory "threads" $threads "gpu" $gpu "scaled" $scaled "fewest" $fewest "oneNode" $oneNode) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Values "resolved" $resolved -}}
{{- end -}}
{{- end -}}

{{/*
MiB that a model is expected to take once loaded of what its server has for models; 0 where that is not known. The prompts
that a runner keeps are in the pod's memory, wherever the model is. Takes: it (a resolved server), model; gives a number.
*/}}
{{- define "model-management.loadedMiB" -}}
{{- $own := int64 .model.memoryMiB -}}
{{- if and (gt $own 0) (not .it.gpu) }}{{ $own = add $own (int64 .it.server.ollama.promptCacheMiB) }}{{ end -}}
{{- $own -}}
{{- end -}}

{{/*
Name by which a model is pulled: a name without a host of its own goes to the mirror, and one without a namespace is in
`library` there, as in Ollama's own registry.
Takes: root, model.
*/}}
{{- define "model-management.pullName" -}}
{{- $host := .root.Values.modelRegistry.host -}}
{{- $parts := splitList "/" .model.pull -}}
{{- if or (not $host) (gt (len $parts) 2) -}}
{{- .model.pull -}}
{{- else if eq (len $parts) 2 -}}
{{- printf "%s/%s" $host .model.pull -}}
{{- else -}}
{{- printf "%s/library/%s" $host .model.pull -}}
{{- end -}}
{{- end -}}

{{/*
A line of a Modelfile for a parameter. Ollama takes a text between quotes as it is, without escapes, and no exponents in
whole numbers, which `print` writes from a million on. Takes: name, value.
*/}}
{{- define "model-management.parameter" -}}
PARAMETER {{ .name }} {{ if kindIs "string" .value }}{{ printf "\"%s\"" .value }}{{ else }}{{ toJson .value }}{{ end }}
{{- end -}}

{{/*
Modelfile of a served model: what is pulled, with its system prompt and parameters, and as many threads as it has cores.
Without that Ollama starts a thread on every core of the node, which a CPU limit punishes.
Takes: root, model, threads.
*/}}
{{- define "model-management.modelfile" -}}
FROM {{ include "model-management.pullName" . }}
{{- with .model.system }}
SYSTEM """{{ . }}"""
{{- end }}
{{- range $name, $value := .model.parameters }}
{{- range kindIs "slice" $value | ternary $value (list $value) }}
{{ include "model-management.parameter" (dict "name" $name "value" .) }}
{{- end }}
{{- end }}
PARAMETER num_thread {{ .threads }}
{{- end -}}

{{/*
The models of a server with what building them takes: a list of dicts with alias, model, threads. Takes a resolved server;
gives JSON.
*/}}
{{- define "model-management.builds" -}}
{{- $builds := list -}}
{{- range $alias, $model := .models -}}
{{- $builds = append $builds (dict "alias" $alias "model" $model "threads" $.threads) -}}
{{- end -}}
{{- toJson $builds -}}
{{- end -}}

{{/*
What the model-downloader brings to the disk: `models.list` with a line for each model (key|pulled name|served name|digest|
checksum of all of it), and a Modelfile for each. A model that is served under a name that is pulled, too, comes after
those that pull it: a pull brings back what the registry has by that name.
Takes: root, builds.
*/}}
{{- define "model-management.modelSpecs" -}}
{{- $lines := list -}}
{{- $last := list -}}
{{- $specs := dict -}}
{{- $bases := dict -}}
{{- range .builds -}}
{{- $_ := set $bases (include "model-management.pullName" (dict "root" $.root "model" .model) | include "model-management.canonicalName") true -}}
{{- end -}}
{{- range .builds -}}
{{- $modelfile := include "model-management.modelfile" (dict "root" $.root "model" .model "threads" .threads) -}}
{{- $checksum := printf "%s|%s|%s" .model.name .model.digest $modelfile | sha256sum -}}
{{- $pulled := include "model-management.pullName" (dict "root" $.root "model" .model) -}}
{{- $line := join "|" (list .alias $pulled .model.name .model.digest $checksum) -}}
{{- if hasKey $bases (include "model-management.canonicalName" .model.name) }}{{ $last = append $last $line }}{{ else }}{{ $lines = append $lines $line }}{{ end -}}
{{- $_ := set $specs (printf "%s.Modelfile" .alias) (printf "%s\n" $modelfile) -}}
{{- end -}}
{{- $_ := set $specs "models.list" (printf "%s\n" (join "\n" (concat $lines $last))) -}}
{{- toYaml $specs -}}
{{- end -}}

{{/* The builds of every server whose cache is shared: what the Job has to bring. Takes the root; gives JSON, `[]` for none. */}}
{{- define "model-management.sharedBuilds" -}}
{{- include "model-management.resolve" . -}}
{{- $builds := list -}}
{{- range .Values.resolved -}}
{{- if eq .server.cache.mode "shared" -}}
{{- $builds = concat $builds (include "model-management.builds" . | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- toJson $builds -}}
{{- end -}}
