{{/*
What a schema cannot say, because it is about more than one value or about the cluster: collected and shown together, each
on one line with what is wrong, where, and how to put it right. Takes the root; fails where there is a mistake.
*/}}
{{- define "model-management.validate" -}}
{{- include "model-management.resolve" . -}}
{{- $mistakes := concat
      (include "model-management.modelMistakes" . | fromJsonArray)
      (include "model-management.aliasMistakes" . | fromJsonArray)
      (include "model-management.fallbackMistakes" . | fromJsonArray)
      (include "model-management.canaryMistakes" . | fromJsonArray)
      (include "model-management.serverMistakes" . | fromJsonArray)
      (include "model-management.replicaMistakes" . | fromJsonArray)
      (include "model-management.autoscalingMistakes" . | fromJsonArray)
      (include "model-management.scheduleMistakes" . | fromJsonArray)
      (include "model-management.placeholderMistakes" . | fromJsonArray)
      (include "model-management.resourceMistakes" . | fromJsonArray)
      (include "model-management.digestMistakes" . | fromJsonArray)
      (include "model-management.memoryMistakes" . | fromJsonArray)
      (include "model-management.gpuMistakes" . | fromJsonArray)
      (include "model-management.placementMistakes" . | fromJsonArray)
      (include "model-management.cacheMistakes" . | fromJsonArray)
      (include "model-management.environmentMistakes" . | fromJsonArray)
      (include "model-management.nameMistakes" . | fromJsonArray)
      (include "model-management.keyMistakes" . | fromJsonArray)
      (include "model-management.gatewayMistakes" . | fromJsonArray)
      (include "model-management.networkMistakes" . | fromJsonArray)
      (include "model-management.edgeMistakes" . | fromJsonArray)
      (include "model-management.externalSecretMistakes" . | fromJsonArray)
      (include "model-management.sizeMistakes" . | fromJsonArray) -}}
{{- if $mistakes -}}
{{- fail (printf "\n\n%d mistake(s) in the values:\n- %s\n" (len $mistakes) (join "\n- " $mistakes)) -}}
{{- end -}}
{{- end -}}

{{/* Two models of one name, as Ollama reads names, and parameters that the chart decides on. */}}
{{- define "model-management.modelMistakes" -}}
{{- $mistakes := list -}}
{{- $owners := dict -}}
{{- range $alias, $model := .Values.models -}}
{{- range list $alias ($model.name | default $alias) | uniq -}}
{{- $name := include "model-management.canonicalName" . -}}
{{- $owner := get $owners $name -}}
{{- if and $owner (ne $owner $alias) -}}
{{- $mistakes = append $mistakes (printf "models.%s: '%s' is a name of models.%s too: give one of them another key or name" $alias . $owner) -}}
{{- end -}}
{{- $_ := set $owners $name $alias -}}
{{- end -}}
{{- if hasKey ($model.parameters | default dict) "num_thread" -}}
{{- $mistakes = append $mistakes (printf "models.%s.parameters.num_thread: is set by the chart from the server's resources.cpu: remove it" $alias) -}}
{{- end -}}
{{- /* Of any other, Ollama would take the last without a word. */ -}}
{{- range $name, $value := $model.parameters -}}
{{- if and (kindIs "slice" $value) (ne $name "stop") -}}
{{- $mistakes = append $mistakes (printf "models.%s.parameters.%s: is a list, and Ollama takes several values of stop alone: give it one" $alias $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Further names that are names of another model, as Ollama reads names. */}}
{{- define "model-management.aliasMistakes" -}}
{{- $mistakes := list -}}
{{- $owners := dict -}}
{{- range $alias, $model := .Values.models -}}
{{- range list $alias ($model.name | default $alias) -}}
{{- $_ := set $owners (include "model-management.canonicalName" .) $alias -}}
{{- end -}}
{{- end -}}
{{- range $alias, $model := .Values.models -}}
{{- range $model.aliases -}}
{{- $name := include "model-management.canonicalName" . -}}
{{- $owner := get $owners $name -}}
{{- if and $owner (ne $owner $alias) -}}
{{- $mistakes = append $mistakes (printf "models.%s.aliases: '%s' is a name of models.%s too: take another" $alias . $owner) -}}
{{- end -}}
{{- $_ := set $owners $name $alias -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Fallbacks that are no other model, or that no server has for a model that has a server. */}}
{{- define "model-management.fallbackMistakes" -}}
{{- $mistakes := list -}}
{{- $served := dict -}}
{{- range .Values.resolved -}}{{- range $alias, $_ := .models -}}{{- $_ := set $served $alias true -}}{{- end -}}{{- end -}}
{{- range $alias, $model := .Values.models -}}
{{- range $model.fallbacks -}}
{{- if eq . $alias -}}
{{- $mistakes = append $mistakes (printf "models.%s.fallbacks: '%s' is the model itself: name another, or none" $alias .) -}}
{{- else if not (hasKey $.Values.models .) -}}
{{- $mistakes = append $mistakes (printf "models.%s.fallbacks: '%s' is no key of models: name one of %s" $alias . (without (keys $.Values.models | sortAlpha) $alias | join ", ")) -}}
{{- else if and (hasKey $served $alias) (not (hasKey $served .)) -}}
{{- $mistakes = append $mistakes (printf "models.%s.fallbacks: '%s' is on no server that is enabled: enable its server, or take it from the list" $alias .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Canaries that are no other model, that have one themselves, or that share the server of the model they are of. */}}
{{- define "model-management.canaryMistakes" -}}
{{- $mistakes := list -}}
{{- $homes := dict -}}
{{- range .Values.resolved -}}{{- $server := .key -}}{{- range $alias, $_ := .models -}}{{- $_ := set $homes $alias $server -}}{{- end -}}{{- end -}}
{{- range $alias, $model := .Values.models -}}
{{- with $model.canary -}}
{{- if not .model -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: is missing: name the key of its next version" $alias) -}}
{{- else if eq .model $alias -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: '%s' is the model itself: name its next version" $alias .model) -}}
{{- else if not (hasKey $.Values.models .model) -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: '%s' is no key of models: name one of %s" $alias .model (without (keys $.Values.models | sortAlpha) $alias | join ", ")) -}}
{{- else if dig "canary" "model" "" (get $.Values.models .model) -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: '%s' has a canary itself: take that away" $alias .model) -}}
{{- else if hasKey $homes $alias -}}
{{- if not (hasKey $homes .model) -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: '%s' is on no server that is enabled: enable its server, or take canary away" $alias .model) -}}
{{- else if eq (get $homes $alias) (get $homes .model) -}}
{{- $mistakes = append $mistakes (printf "models.%s.canary.model: '%s' is on servers.%s, as the model itself: give it a server of its own" $alias .model (get $homes $alias)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Servers of unknown models, without models, and models on two servers. */}}
{{- define "model-management.serverMistakes" -}}
{{- $mistakes := list -}}
{{- $homes := dict -}}
{{- range $name, $it := .Values.resolved -}}
{{- if not $it.server.models -}}
{{- $mistakes = append $mistakes (printf "servers.%s.models: is empty: name a key of models, or set enabled to false" $it.key) -}}
{{- end -}}
{{- range $it.server.models -}}
{{- if not (hasKey $.Values.models .) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.models: '%s' is no key of models: name one of %s, or add models.%s" $it.key . (keys $.Values.models | sortAlpha | join ", ") .) -}}
{{- end -}}
{{- $alias := . -}}
{{- with get $homes . -}}
{{- $mistakes = append $mistakes (printf "servers.%s.models: '%s' is on servers.%s too: leave it on one of them" $it.key $alias .) -}}
{{- end -}}
{{- $_ := set $homes . $it.key -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Ranges that are none, and servers that nothing could wake. */}}
{{- define "model-management.replicaMistakes" -}}
{{- $mistakes := list -}}
{{- $ranges := dict "gateway" .Values.gateway.replicas -}}
{{- $scaled := dict -}}
{{- range .Values.resolved -}}
{{- if .scaled }}{{ $_ := set $scaled (printf "servers.%s" .key) true }}{{ end -}}
{{- $_ := set $ranges (printf "servers.%s" .key) .server.replicas -}}
{{- end -}}
{{- $keda := or (.Capabilities.APIVersions.Has "keda.sh/v1alpha1") (.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject") -}}
{{- range $where, $replicas := $ranges -}}
{{- $min := int $replicas.min -}}
{{- $max := int $replicas.max -}}
{{- if gt $min $max -}}
{{- $mistakes = append $mistakes (printf "%s.replicas: min %d is above max %d: raise max or lower min" $where $min $max) -}}
{{- end -}}
{{- if and (eq $min 0) (not (hasKey $scaled $where)) (not $keda) (semverCompare "<1.37.0-0" $.Capabilities.KubeVersion.Version) -}}
{{- $mistakes = append $mistakes (printf "%s.replicas: min 0 needs Kubernetes 1.37 or later, or KEDA, and this is %s without it: set min to 1, or install KEDA" $where $.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Images by their tags alone, where digests are required: a line for each image, whatever the number of servers that have it. */}}
{{- define "model-management.digestMistakes" -}}
{{- $mistakes := list -}}
{{- if .Values.images.requireDigest -}}
{{- $owners := dict -}}
{{- $images := dict "image" .Values.image -}}
{{- if .Values.backup.enabled }}{{ $_ := set $images "backup.image" .Values.backup.image }}{{ end -}}
{{- range .Values.resolved -}}
{{- $_ := set $images (printf "servers.%s.ollama.image" .key) .server.ollama.image -}}
{{- $cache := .server.cache -}}
{{- if and (eq $cache.mode "image") $cache.image.reference (not (contains "@sha256:" $cache.image.reference)) -}}
{{- $_ := set $owners $cache.image.reference (append (get $owners $cache.image.reference | default list) (printf "servers.%s.cache.image.reference" .key)) -}}
{{- end -}}
{{- end -}}
{{- range $path, $image := $images -}}
{{- if not $image.digest -}}
{{- $reference := include "model-management.image" (dict "root" $ "image" $image) -}}
{{- $_ := set $owners $reference (append (get $owners $reference | default list) $path) -}}
{{- end -}}
{{- end -}}
{{- range $reference, $paths := $owners -}}
{{- $first := index (sortAlpha (uniq $paths)) 0 -}}
{{- $more := sub (len (uniq $paths)) 1 -}}
{{- $where := ternary (printf "%s and %d more" $first $more) $first (gt $more 0) -}}
{{- $mistakes = append $mistakes (printf "%s: %s is named by a tag, which can be moved, and images.requireDigest is true: set its digest, for which npm run pin-images asks the registry" $where $reference) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Requests over their limits, images that nothing names, a cache that Ollama would not start with, users that no node has. */}}
{{- define "model-management.resourceMistakes" -}}
{{- $mistakes := list -}}
{{- if and .Values.userNamespaces.enabled (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $mistakes = append $mistakes (printf "userNamespaces.enabled: needs Kubernetes 1.33 or later, and this is %s: set it to false" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- range $it := .Values.resolved -}}
{{- if not (or .server.ollama.image.tag .server.ollama.image.digest) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.ollama.image: has neither tag nor digest: name the version of Ollama to run" .key) -}}
{{- end -}}
{{- if and (ne .server.ollama.kvCacheType "f16") (not .server.ollama.flashAttention) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.ollama: kvCacheType %s needs flash attention: set flashAttention to true, or kvCacheType to f16" .key .server.ollama.kvCacheType) -}}
{{- end -}}
{{- $resources := .server.resources -}}
{{- with $resources.cpuRequest -}}
{{- if gt (include "model-management.millicores" . | int64) (include "model-management.millicores" $resources.cpu | int64) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.resources: cpuRequest %s is above cpu %s: lower it, or raise cpu" $it.key . $resources.cpu) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/*
Too little memory: for the bodies that gateway and agent read whole, one of which may be there twice when it is changed; for
a model by itself, or for all of those that are never unloaded.
*/}}
{{- define "model-management.memoryMistakes" -}}
{{- $mistakes := list -}}
{{- $least := add 128 (mul 2 (int .Values.gateway.maxBodyMiB)) -}}
{{- range $where, $memory := dict "gateway" .Values.gateway.resources.memory "agent" .Values.agent.resources.memory -}}
{{- if lt (include "model-management.bytes" $memory | int64) (mul $least 1048576) -}}
{{- $mistakes = append $mistakes (printf "%s.resources.memory: %s is too little for bodies of gateway.maxBodyMiB %d: raise it to %dMi, or lower maxBodyMiB" $where $memory (int $.Values.gateway.maxBodyMiB) $least) -}}
{{- end -}}
{{- end -}}
{{- range $it := .Values.resolved -}}
{{- if gt (int64 .memory) 0 -}}
{{- $has := printf "servers.%s.resources.memory %s" .key .server.resources.memory -}}
{{- if .gpu }}{{ $has = include "model-management.gpuMemoryName" . }}{{ end -}}
{{- $pinned := 0 -}}
{{- range $alias, $model := .models -}}
{{- $takes := include "model-management.loadedMiB" (dict "it" $it "model" $model) | int64 -}}
{{- if gt $takes (int64 $it.memory) -}}
{{- $mistakes = append $mistakes (printf "models.%s.memoryMiB: it takes %d MiB once loaded%s, and %s is %d MiB: raise that, or correct memoryMiB" $alias $takes (ternary "" " (with promptCacheMiB)" (or $it.gpu (eq (int $it.server.ollama.promptCacheMiB) 0))) $has (int64 $it.memory)) -}}
{{- else if eq $model.keepAlive "-1" -}}
{{- $pinned = add $pinned $takes -}}
{{- end -}}
{{- end -}}
{{- if gt $pinned (int64 .memory) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.models: those with keepAlive -1 take %d MiB together, and %s is %d MiB: raise that, or let one of them be unloaded" .key $pinned $has (int64 .memory)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Caches that could not be mounted. */}}
{{- define "model-management.cacheMistakes" -}}
{{- $mistakes := list -}}
{{- $sharing := 0 -}}
{{- range .Values.resolved -}}
{{- $cache := .server.cache -}}
{{- if eq $cache.mode "shared" -}}{{- $sharing = add $sharing (int .server.replicas.max) -}}{{- end -}}
{{- if eq $cache.mode "image" -}}
{{- if not $cache.image.reference -}}
{{- $mistakes = append $mistakes (printf "servers.%s.cache: mode image without image.reference: name the OCI image that holds its models" .key) -}}
{{- end -}}
{{- if semverCompare "<1.35.0-0" $.Capabilities.KubeVersion.Version -}}
{{- $mistakes = append $mistakes (printf "servers.%s.cache: mode image needs Kubernetes 1.35 or later, and this is %s: use ephemeral or shared" .key $.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int $sharing) 1) (eq .Values.sharedCache.accessMode "ReadWriteOnce") -}}
{{- $mistakes = append $mistakes (printf "sharedCache.accessMode: ReadWriteOnce, and up to %d pods share the claim, which hangs all but one node's: use a class with ReadWriteMany, or cache.mode ephemeral" (int $sharing)) -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Variables of Ollama that the chart decides on: the loopback address keeps the network out, the others have keys of their own. */}}
{{- define "model-management.environmentMistakes" -}}
{{- $mistakes := list -}}
{{- range $it := .Values.resolved -}}
{{- $decided := include "model-management.ollamaSettings" (dict "root" $ "it" .) | fromJson -}}
{{- range $name, $_ := .server.ollama.extraEnv -}}
{{- if hasKey $decided $name -}}
{{- $mistakes = append $mistakes (printf "servers.%s.ollama.extraEnv: %s is set by the chart: remove it, and use the key of `ollama` or `cache` that stands for it" $it.key $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Objects of one name: after the prefix and the cut at 63 characters, or the gateway's own. */}}
{{- define "model-management.nameMistakes" -}}
{{- $mistakes := list -}}
{{- $owners := dict
      (include "model-management.serviceName" .) "the gateway's Service"
      (include "model-management.gatewayName" .) "the gateway"
      (include "model-management.slotName" (dict "root" . "slot" "blue")) "the blue gateway"
      (include "model-management.slotName" (dict "root" . "slot" "green")) "the green gateway"
      (include "model-management.previewName" .) "the preview of the gateway"
      (include "model-management.forecasterName" .) "the forecaster"
      (include "model-management.serversName" .) "what all servers share" -}}
{{- range $key, $overrides := .Values.servers -}}
{{- if dig "enabled" $.Values.serverDefaults.enabled $overrides -}}
{{- $name := include "model-management.name" (dict "root" $ "name" $key) -}}
{{- with get $owners $name -}}
{{- $mistakes = append $mistakes (printf "servers.%s: would be called '%s' like %s: give it another key%s" $key $name . (ternary ", or shorten namePrefix" "" (ne $name (printf "%s%s" $.Values.namePrefix $key)))) -}}
{{- end -}}
{{- $_ := set $owners $name (printf "servers.%s" $key) -}}
{{- if dig "replicas" "onDemand" $.Values.serverDefaults.replicas.onDemand $overrides -}}
{{- $_ := set $owners (include "model-management.onDemandName" $name) (printf "the on-demand pods of servers.%s" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* API keys that are nowhere. */}}
{{- define "model-management.keyMistakes" -}}
{{- $mistakes := list -}}
{{- with .Values.gateway.apiKeys -}}
{{- if and .enabled (not .existingSecret) -}}
{{- $mistakes = append $mistakes "gateway.apiKeys: enabled without existingSecret: name the Secret that has the keys (`npm run api-key -- NAME` makes one), or set enabled to false" -}}
{{- end -}}
{{- end -}}
{{- with .Values.backup -}}
{{- if and .enabled (not .existingSecret) -}}
{{- $mistakes = append $mistakes "backup: enabled without existingSecret: name the Secret that has RESTIC_PASSWORD and what the repository's cloud asks for, or set enabled to false" -}}
{{- end -}}
{{- /* The values are in a ConfigMap for the copy, too. */ -}}
{{- if and .enabled (regexMatch "://[^/@]*:[^/@]*@" .repository) -}}
{{- $mistakes = append $mistakes "backup.repository: has a password in it: leave it out, and put RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD into the Secret of backup.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/*
More than the Secret holds that Helm keeps a release in: 1 MiB, where it is compressed. Measured (`npm run bench -- render`):
204 to 207 KiB for the chart with its README, 0.43 KiB for each server with its model, and prompts, which are in it twice, with 0.9 (prose) to 1.4 of
their size; rules for Prometheus add 9 KiB and 0.02 for each server, dashboards 13 KiB; the gateway that is held 0.13 of its
size. The chart has room to grow by 28.
*/}}
{{- define "model-management.sizeMistakes" -}}
{{- $mistakes := list -}}
{{- $prompts := 0 -}}
{{- range .Values.models -}}{{- $prompts = add $prompts (len (.system | default "")) -}}{{- end -}}
{{- $kib := add 232 (div (mul 44 (len .Values.resolved)) 100) (div (mul 14 $prompts) 10240) -}}
{{- if ne .Values.monitoring.rules.delivery "none" }}{{ $kib = add $kib 9 (div (mul 2 (len .Values.resolved)) 100) }}{{ end -}}
{{- if ne .Values.monitoring.dashboards.delivery "none" }}{{ $kib = add $kib 13 }}{{ end -}}
{{- $kib = add $kib (div (mul 2 (len (include "model-management.held" .))) 10240) -}}
{{- if gt (int $kib) 1020 -}}
{{- $mistakes = append $mistakes (printf "servers: %d of them make a release of about %d KiB, and Helm keeps it in a Secret of at most 1024 KiB: install them as several releases, each with a namePrefix and servers of its own" (len .Values.resolved) (int $kib)) -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
