{{/*
Spec of a server's pods: the agent is there first and tells what is going on, the model-downloader brings the models, and
Ollama listens on loopback alone, so that nothing on the network gets past the agent.
Takes: root, name (of the server), it (a resolved server), onDemand (whether it never runs on a spot node, whatever the server's
others do).
*/}}
{{- define "model-management.serverPod" -}}
{{- $values := .root.Values -}}
{{- $server := .it.server -}}
{{- $scheduling := $server.scheduling -}}
{{- if .onDemand }}{{ $scheduling = mergeOverwrite (deepCopy $scheduling) (dict "capacity" "onDemand") }}{{ end -}}
{{- $identity := dict "root" .root "component" "server" "server" .it.key "gpu" .it.gpu -}}
{{- include "model-management.podBasics" (dict "root" .root "scheduling" $scheduling "server" $server
      "selector" (include "model-management.identity" $identity) "packWith" (include "model-management.kindOfServer" $identity) "onDemand" .onDemand
      "serviceAccount" (include "model-management.serversName" .root)) }}
{{- if include "model-management.gpuIsClaim" $server }}
resourceClaims:
  - name: gpu
    resourceClaimTemplateName: {{ include "model-management.claimTemplateName" (dict "name" .name "server" $server) | quote }}
{{- end }}
terminationGracePeriodSeconds: {{ include "model-management.graceSeconds" .root }}
initContainers:
  - name: agent
    {{- include "model-management.agent" . | nindent 4 }}
  - name: model-downloader
    {{- include "model-management.modelDownloader" (dict "root" .root "ollama" $server.ollama "resources" $server.resources
          "mode" (get (dict "ephemeral" "pull" "shared" "wait" "image" "verify") $server.cache.mode)) | nindent 4 }}
containers:
  - name: ollama
    image: {{ include "model-management.image" (dict "root" .root "image" $server.ollama.image) | quote }}
    imagePullPolicy: {{ $server.ollama.image.pullPolicy }}
    args:
      - serve
    env:
      {{- include "model-management.ollamaEnv" . | trim | nindent 6 }}
    resources:
      {{- include "model-management.ollamaResources" (dict "resources" $server.resources "devices" (include "model-management.gpuResources" $server | fromJson)) | trim | nindent 6 }}
      {{- if include "model-management.gpuIsClaim" $server }}
      claims:
        - name: gpu
      {{- end }}
    # Ollama's port is closed to the kubelet; the agent asks it and answers for it.
    startupProbe:
      httpGet:
        path: /health/startup
        port: 8080
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: {{ max 30 (div (int $server.startup.loadSeconds) 2) }}
      # An Ollama that fails its probes finishes no answer: its end need not wait for any.
      terminationGracePeriodSeconds: 30
    livenessProbe:
      httpGet:
        path: /health/live
        port: 8080
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
      terminationGracePeriodSeconds: 30
    lifecycle:
      # Ollama closes its streams on SIGTERM at once: the agent lets them end first.
      preStop:
        httpGet:
          path: /drain
          port: 8080
    securityContext:
      {{- include "model-management.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - name: models
        mountPath: /models
        {{- if ne $server.cache.mode "ephemeral" }}
        readOnly: true
        {{- end }}
      - name: home
        mountPath: /home/ollama
      - name: tmp
        mountPath: /tmp
volumes:
  - name: models
    {{- include "model-management.modelsVolume" . | nindent 4 }}
  {{- include "model-management.downloaderVolumes" (dict "root" .root "specs" .name) | nindent 2 }}
{{- end -}}

{{/* Requests and limits of Ollama. Takes: resources, devices (optional: how much of which resource it has beside CPU and memory). */}}
{{- define "model-management.ollamaResources" -}}
{{- range $kind := list "requests" "limits" }}
{{ $kind }}:
  cpu: {{ eq $kind "limits" | ternary $.resources.cpu ($.resources.cpuRequest | default $.resources.cpu) | quote }}
  memory: {{ $.resources.memory | quote }}
  {{- range $resource, $count := $.devices }}
  {{ $resource | quote }}: {{ int $count }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Environment of Ollama, the user's own included. Takes: root, it (a resolved server). */}}
{{- define "model-management.ollamaEnv" -}}
{{- range $name, $value := merge (include "model-management.ollamaSettings" . | fromJson) .it.server.ollama.extraEnv }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The variables of Ollama that the chart decides on. Takes: root, it (a resolved server); gives JSON. */}}
{{- define "model-management.ollamaSettings" -}}
{{- $server := .it.server -}}
{{- $ollama := $server.ollama -}}
{{- $env := dict
      "HOME" "/home/ollama"
      "OLLAMA_HOST" "127.0.0.1:11434"
      "OLLAMA_MODELS" "/models"
      "OLLAMA_NUM_PARALLEL" ($ollama.parallel | int | toString)
      "OLLAMA_CONTEXT_LENGTH" ($ollama.contextLength | int | toString)
      "OLLAMA_KEEP_ALIVE" "-1"
      "OLLAMA_MAX_LOADED_MODELS" (len $server.models | toString)
      "OLLAMA_FLASH_ATTENTION" (ternary "1" "0" $ollama.flashAttention)
      "OLLAMA_KV_CACHE_TYPE" $ollama.kvCacheType
      "OLLAMA_LOAD_TIMEOUT" (printf "%ds" (max 300 (int $server.startup.loadSeconds)))
      "OLLAMA_NOPRUNE" "1"
      "OLLAMA_NO_CLOUD" "1"
      "LLAMA_ARG_CACHE_RAM" ($ollama.promptCacheMiB | int | toString) -}}
{{- if not .it.gpu -}}
{{- /* The image asks for every GPU of its node, which on a GPU node a pod without any would get. */ -}}
{{- $_ := set $env "NVIDIA_VISIBLE_DEVICES" "void" -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* The volume that the models are on. Takes: root, it (a resolved server). */}}
{{- define "model-management.modelsVolume" -}}
{{- $cache := .it.server.cache -}}
{{- if eq $cache.mode "shared" -}}
{{- /* The containers mount it read-only; were the claim read-only too, whichever pod comes first on a node would keep the
kubelet from giving the volume to the group of the puller. */ -}}
persistentVolumeClaim:
  claimName: {{ include "model-management.sharedClaimName" .root | quote }}
{{- else if eq $cache.mode "image" -}}
image:
  reference: {{ $cache.image.reference | quote }}
  pullPolicy: {{ $cache.image.pullPolicy }}
{{- else -}}
ephemeral:
  volumeClaimTemplate:
    metadata:
      labels:
        {{- include "model-management.podLabels" (dict "root" .root "component" "server" "server" .it.key) | nindent 8 }}
    spec:
      accessModes:
        - ReadWriteOnce
      {{- with $cache.storageClass }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources:
        requests:
          storage: {{ $cache.size | quote }}
{{- end -}}
{{- end -}}

{{/* The agent: a native sidecar, there before the models and Ollama, and gone after it. Takes: root, it (a resolved server). */}}
{{- define "model-management.agent" -}}
image: {{ include "model-management.image" (dict "root" .root "image" .root.Values.image) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
restartPolicy: Always
args:
  - /app/service/agent/main.ts
  - --config
  - /etc/model-management/config.json
ports:
  {{- include "model-management.servicePorts" . | nindent 2 }}
resources:
  {{- include "model-management.serviceResources" .root.Values.agent.resources | nindent 2 }}
startupProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /health/ready
    port: http
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 2
securityContext:
  {{- include "model-management.containerSecurity" . | nindent 2 }}
volumeMounts:
  # A file mounted alone stays as it is while the pod lives: a pod keeps the configuration of the models it has on its disk.
  - name: model-specs
    mountPath: /etc/model-management/config.json
    subPath: config.json
  {{- if ne .it.server.cache.mode "image" }}
  # How far a download is, it reads from the disk.
  - name: models
    mountPath: /models
    readOnly: true
  {{- end }}
{{- end -}}

{{/*
The model-downloader, but for its name. Takes: root, ollama, resources, mode (pull, wait or verify).
*/}}
{{- define "model-management.modelDownloader" -}}
{{- $registry := .root.Values.modelRegistry -}}
image: {{ include "model-management.image" (dict "root" .root "image" .ollama.image) | quote }}
imagePullPolicy: {{ .ollama.image.pullPolicy }}
command:
  - /bin/sh
  - /opt/model-downloader/model-downloader.sh
  - {{ .mode }}
env:
  - name: HOME
    value: /home/ollama
  - name: OLLAMA_HOST
    value: 127.0.0.1:11434
  - name: OLLAMA_MODELS
    value: /models
  - name: MODEL_SPECS
    value: /etc/models
  # Ollama throws away half-pulled models at its start unless told not to: a pull that was cut off goes on where it was.
  - name: OLLAMA_NOPRUNE
    value: "1"
  - name: OLLAMA_NO_CLOUD
    value: "1"
  - name: NVIDIA_VISIBLE_DEVICES
    value: void
  {{- if $registry.insecure }}
  - name: MODEL_REGISTRY_INSECURE
    value: "1"
  {{- end }}
  {{- with $registry.httpsProxy }}
  - name: HTTPS_PROXY
    value: {{ . | quote }}
  {{- end }}
  {{- if $registry.caBundle.existingConfigMap }}
  # Beside the folder of those that the image trusts, and in place of the file of the same.
  - name: SSL_CERT_FILE
    value: /etc/model-registry/{{ $registry.caBundle.key }}
  {{- end }}
resources:
  {{- include "model-management.ollamaResources" (dict "resources" .resources) | trim | nindent 2 }}
securityContext:
  {{- include "model-management.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: models
    mountPath: /models
    {{- if ne .mode "pull" }}
    readOnly: true
    {{- end }}
  - name: home
    mountPath: /home/ollama
  - name: tmp
    mountPath: /tmp
  - name: model-specs
    mountPath: /etc/models
    readOnly: true
  - name: model-downloader
    mountPath: /opt/model-downloader
    readOnly: true
  {{- if $registry.caBundle.existingConfigMap }}
  - name: ca-bundle
    mountPath: /etc/model-registry
    readOnly: true
  {{- end }}
{{- end -}}

{{/* The volumes of the model-downloader, but for that of the models. Takes: root, specs (name of the ConfigMap of what it is to pull). */}}
{{- define "model-management.downloaderVolumes" -}}
- name: home
  emptyDir: {}
- name: tmp
  emptyDir: {}
- name: model-specs
  configMap:
    name: {{ .specs | quote }}
- name: model-downloader
  configMap:
    name: {{ include "model-management.serversName" .root | quote }}
{{- with .root.Values.modelRegistry.caBundle }}
{{- if .existingConfigMap }}
- name: ca-bundle
  configMap:
    name: {{ .existingConfigMap | quote }}
    items:
      - key: {{ .key | quote }}
        path: {{ .key | quote }}
{{- end }}
{{- end }}
{{- end -}}
