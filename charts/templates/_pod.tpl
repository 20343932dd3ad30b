{{/* Security of every pod: what Pod Security Admission calls `restricted`. */}}
{{- define "model-management.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Security of every container. */}}
{{- define "model-management.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{/*
What every pod's spec begins with: identity, security and where it goes.
Takes: root, serviceAccount, token (optional: whether the pod talks to the API server), scheduling (optional, and with it what
the placement takes).
*/}}
{{- define "model-management.podBasics" -}}
serviceAccountName: {{ .serviceAccount | quote }}
automountServiceAccountToken: {{ .token | default false }}
{{- if .root.Values.userNamespaces.enabled }}
hostUsers: false
{{- end }}
# Services come and go with the registry; their variables would make each new pod differ from its siblings.
enableServiceLinks: false
securityContext:
  {{- include "model-management.podSecurity" . | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- if .scheduling }}
{{- include "model-management.placement" . | trim | nindent 0 }}
{{- end }}
{{- end -}}

{{/* Resources of a container of the management service: no limit on CPU, which would only make it wait. Takes the resources. */}}
{{- define "model-management.serviceResources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
limits:
  memory: {{ .memory | quote }}
{{- end -}}

{{/* Ports of gateway, agent and forecaster. */}}
{{- define "model-management.servicePorts" -}}
- name: http
  containerPort: 8080
- name: metrics
  containerPort: 9090
{{- end -}}

{{/* Annotations by which a Prometheus without the operator finds what to scrape. Takes the root. */}}
{{- define "model-management.scrapeAnnotations" -}}
{{- if eq .Values.monitoring.scrape.method "annotations" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "9090"
prometheus.io/path: /metrics
{{- end -}}
{{- end -}}

{{/*
Seconds from SIGTERM to SIGKILL: the longest answer may still be running, and half a minute is for everything around it.
Takes the root.
*/}}
{{- define "model-management.graceSeconds" -}}
{{- add (int .Values.generationTimeoutSeconds) 30 -}}
{{- end -}}
