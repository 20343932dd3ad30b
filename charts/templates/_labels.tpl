{{/*
Labels that select the pods of a component; they never change while the release lives.
Takes: root, component, server (optional), colour (optional: of a gateway that has one); gives JSON.
*/}}
{{- define "model-management.identity" -}}
{{- $labels := dict
      "app.kubernetes.io/name" .root.Chart.Name
      "app.kubernetes.io/instance" .root.Release.Name
      "app.kubernetes.io/component" .component -}}
{{- with .server }}{{ $_ := set $labels "model-management.fineprint.ai/server" . }}{{ end -}}
{{- with .colour }}{{ $_ := set $labels (include "model-management.colourLabel" .) . }}{{ end -}}
{{- toJson $labels -}}
{{- end -}}

{{/* Label by which the colours of gateways are told apart; `rolling` on the pods of one that has none. */}}
{{- define "model-management.colourLabel" -}}
model-management.fineprint.ai/colour
{{- end -}}

{{/* The same as YAML. Takes: root, component, server (optional), colour (optional). */}}
{{- define "model-management.selectorLabels" -}}
{{- include "model-management.identity" . | fromJson | toYaml -}}
{{- end -}}

{{/* Label that tells the pods of a server that never run on spot nodes from its others. */}}
{{- define "model-management.onDemandLabel" -}}
model-management.fineprint.ai/capacity
{{- end -}}

{{/*
Labels of a pod: those that select it, `app: ollama` where Ollama runs, and the user's own, which win over none of these.
Nothing that changes with the chart's version, or every upgrade would restart every pod.
Takes: root, component, server (optional), colour (optional), gpu (whether a server has GPUs, which its pods show).
*/}}
{{- define "model-management.podLabels" -}}
{{- $own := include "model-management.identity" . | fromJson -}}
{{- if .server }}{{ $_ := set $own "app" "ollama" }}{{ end -}}
{{- if and (eq .component "gateway") (not .colour) }}{{ $_ := set $own (include "model-management.colourLabel" .) "rolling" }}{{ end -}}
{{- if hasKey . "gpu" }}{{ $_ := set $own "model-management.fineprint.ai/device" (ternary "gpu" "cpu" .gpu) }}{{ end -}}
{{- merge $own .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Labels of the pods of all servers that have GPUs, or of all that have none. Takes: root, gpu; gives JSON. */}}
{{- define "model-management.kindOfServer" -}}
{{- $labels := include "model-management.identity" (dict "root" .root "component" "server") | fromJson -}}
{{- merge $labels (dict "model-management.fineprint.ai/device" (ternary "gpu" "cpu" .gpu)) | toJson -}}
{{- end -}}

{{/* Labels of an object. Takes: root, component, server (optional). */}}
{{- define "model-management.labels" -}}
{{- $own := include "model-management.identity" . | fromJson -}}
{{- if .server }}{{ $_ := set $own "app" "ollama" }}{{ end -}}
{{- /* By these words gateways find the EndpointSlices of servers, also where a parent chart calls this one otherwise. */ -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "model-management" -}}
{{- $_ := set $own "app.kubernetes.io/version" (.root.Chart.AppVersion | include "model-management.labelValue") -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | include "model-management.labelValue") -}}
{{- merge $own .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* A version as a label's value: build metadata comes after a `+`, which labels may not have. Takes the text. */}}
{{- define "model-management.labelValue" -}}
{{- replace "+" "_" . | trunc 63 | regexFind "^.*[A-Za-z0-9]" -}}
{{- end -}}

{{/*
Labels of an object that others choose by labels that the values name, which win over all others.
Takes: root, component, labels.
*/}}
{{- define "model-management.objectLabels" -}}
{{- mergeOverwrite (include "model-management.labels" . | fromYaml) .labels | toYaml -}}
{{- end -}}
