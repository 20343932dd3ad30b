{{/*
Name of the Job that fills the shared claim. Jobs cannot be changed: one that would differ in anything has another name.
Takes the root.
*/}}
{{- define "model-management.pullerName" -}}
{{- $specs := include "model-management.modelSpecs" (dict "root" . "builds" (include "model-management.sharedBuilds" . | fromJsonArray)) -}}
{{- $checksum := include "model-management.pullerTemplate" (dict "root" . "name" "") | printf "%s%s" $specs | sha256sum | trunc 8 -}}
{{- include "model-management.name" (dict "root" . "name" "model-management-puller" "suffix" (printf "-%s" $checksum)) -}}
{{- end -}}

{{/* Pod template of that Job. Takes: root, name (of the Job and its ConfigMap). */}}
{{- define "model-management.pullerTemplate" -}}
{{- $defaults := .root.Values.serverDefaults -}}
{{- /* It is gone soon, and goes on where it was cut off: spot nodes and full ones are as good for it as any. */ -}}
{{- $scheduling := mergeOverwrite (deepCopy $defaults.scheduling) (dict "capacity" "any" "pack" false "spread" false) -}}
metadata:
  labels:
    {{- include "model-management.podLabels" (dict "root" .root "component" "puller") | nindent 4 }}
spec:
  {{- include "model-management.podBasics" (dict "root" .root "scheduling" $scheduling
        "serviceAccount" (include "model-management.serversName" .root)) | nindent 2 }}
  {{- range .root.Values.resolved }}
  {{- if .oneNode }}
  # The claim goes to one node: were that the server's alone, the server would wait for this pod, and this pod for the claim.
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "model-management.selectorLabels" (dict "root" $.root "component" "server" "server" .key) | nindent 14 }}
  {{- end }}
  {{- end }}
  restartPolicy: OnFailure
  containers:
    - name: model-downloader
      {{- include "model-management.modelDownloader" (dict "root" .root "ollama" $defaults.ollama "resources" $defaults.resources
            "mode" "pull") | nindent 6 }}
  volumes:
    - name: models
      persistentVolumeClaim:
        claimName: {{ include "model-management.sharedClaimName" .root | quote }}
    {{- include "model-management.downloaderVolumes" (dict "root" .root "specs" .name) | nindent 4 }}
{{- end -}}
