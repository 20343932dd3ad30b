{{/* The fewest pods that a server has at any time. Takes: root, server (merged settings); gives a number. */}}
{{- define "model-management.fewestPods" -}}
{{- $fewest := int .server.replicas.min -}}
{{- if and .server.autoscaling.enabled (eq .root.Values.autoscaling.signals "demand") -}}
{{- range .server.autoscaling.schedule -}}
{{- $fewest = min $fewest (int .min) -}}
{{- end -}}
{{- end -}}
{{- $fewest -}}
{{- end -}}

{{/*
The signals that a server is scaled on where they are `demand`, each in pods: how many it needs. A list of dicts with signal,
metric (its name as an external metric, by docs/autoscaling.md) and record (what a rule records it as). Gives JSON.
*/}}
{{- define "model-management.signals" -}}
{{- $signals := list -}}
{{- range list "load" "schedule" "forecast" -}}
{{- $signals = append $signals (dict "signal" . "metric" (printf "model_server_%s_replicas" .) "record" (printf "server:%s:replicas" .)) -}}
{{- end -}}
{{- toJson $signals -}}
{{- end -}}

{{/*
Part by which a signal may be above the pods that there are before an autoscaler adds any; what it may not be told otherwise
before Kubernetes 1.35 is a tenth. Takes the root.
*/}}
{{- define "model-management.scaleUpTolerance" -}}
{{- $isSettable := semverCompare ">=1.35.0-0" .Capabilities.KubeVersion.Version -}}
{{- ternary "0" "0.1" (and (eq .Values.autoscaling.signals "demand") $isSettable) -}}
{{- end -}}

{{/* How fast pods come and go, as autoscaling/v2 has it. Takes: root, behavior; gives YAML. */}}
{{- define "model-management.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  {{- /* A signal in pods that wants 21 where there are 20 is within the usual tolerance, and would be ignored. It is text, as KEDA
  writes it when it changes the object: a number would be another value, and the next upgrade a conflict. */}}
  {{- if eq (include "model-management.scaleUpTolerance" .root) "0" }}
  tolerance: "0"
  {{- end }}
  selectPolicy: Max
  policies:
    - type: Percent
      value: {{ .behavior.scaleUp.percent }}
      periodSeconds: {{ .behavior.scaleUp.periodSeconds }}
    - type: Pods
      value: {{ .behavior.scaleUp.pods }}
      periodSeconds: {{ .behavior.scaleUp.periodSeconds }}
scaleDown:
  stabilizationWindowSeconds: {{ .behavior.scaleDown.windowSeconds }}
  selectPolicy: Max
  policies:
    - type: Percent
      value: {{ .behavior.scaleDown.percent }}
      periodSeconds: {{ .behavior.scaleDown.periodSeconds }}
{{- end -}}
