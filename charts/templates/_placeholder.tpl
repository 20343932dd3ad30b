{{/* Label that tells placeholders apart. */}}
{{- define "model-management.placeholderLabel" -}}
model-management.fineprint.ai/placeholder
{{- end -}}

{{/*
A Deployment of pods that hold the room of a server's: they ask for the same, go to the same nodes, and end at once when one of a
higher priority needs what they hold. Their image is the server's, so that a node has it, too.
Takes: root, name (of the placeholders), placeholder, it (a resolved server), serverName.
*/}}
{{- define "model-management.placeholderDeployment" }}
{{- $server := .it.server -}}
{{- $labels := dict (include "model-management.placeholderLabel" .) .name -}}
{{- $selector := merge (deepCopy $labels) (include "model-management.identity" (dict "root" .root "component" "placeholder") | fromJson) -}}
{{- $scheduling := mergeOverwrite (deepCopy $server.scheduling) (dict "priorityClassName" .placeholder.priorityClassName) -}}
{{- $container := dict "root" .root "server" $server }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "model-management.name" (dict "root" .root "name" "model-management-placeholder" "suffix" (printf "-%s" .name)) | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "model-management.labels" (dict "root" .root "component" "placeholder") | nindent 4 }}
spec:
  replicas: {{ .placeholder.pods }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # None is owed to anybody, and one more would need a node more.
      maxUnavailable: 1
      maxSurge: 0
  selector:
    matchLabels:
      {{- toYaml $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "model-management.podLabels" (dict "root" .root "component" "placeholder") | nindent 8 }}
        {{- toYaml $labels | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: ollama
        {{- include "model-management.gpuAnnotations" $server | trim | nindent 8 }}
    spec:
      {{- include "model-management.podBasics" (dict "root" .root "scheduling" $scheduling "server" $server "selector" (toJson $selector)
            "packWith" (include "model-management.kindOfServer" (dict "root" .root "gpu" .it.gpu))
            "serviceAccount" (include "model-management.serversName" .root)) | nindent 6 }}
      {{- if include "model-management.gpuIsClaim" $server }}
      resourceClaims:
        - name: gpu
          resourceClaimTemplateName: {{ include "model-management.claimTemplateName" (dict "name" .serverName "server" $server) | quote }}
      {{- end }}
      terminationGracePeriodSeconds: 0
      containers:
        - name: ollama
          {{- include "model-management.idleContainer" $container | nindent 10 }}
          resources:
            {{- include "model-management.ollamaResources" (dict "resources" $server.resources "devices" (include "model-management.gpuResources" $server | fromJson)) | trim | nindent 12 }}
            {{- if include "model-management.gpuIsClaim" $server }}
            claims:
              - name: gpu
            {{- end }}
        - name: agent
          {{- include "model-management.idleContainer" $container | nindent 10 }}
          resources:
            {{- include "model-management.serviceResources" .root.Values.agent.resources | nindent 12 }}
{{- end -}}

{{/* A container that does nothing, but for its name and resources. Takes: root, server (merged settings). */}}
{{- define "model-management.idleContainer" -}}
image: {{ include "model-management.image" (dict "root" .root "image" .server.ollama.image) | quote }}
imagePullPolicy: {{ .server.ollama.image.pullPolicy }}
command:
  - /bin/sh
  - -c
  - exec sleep infinity
securityContext:
  {{- include "model-management.containerSecurity" . | nindent 2 }}
{{- end -}}
