{{/*
Labels by which clouds and Karpenter tell spot nodes, and the value that is said of those. They are the keys and values of the
taints, too, with which some keep pods off them.
*/}}
{{- define "model-management.spotLabels" -}}
karpenter.sh/capacity-type: spot
eks.amazonaws.com/capacityType: SPOT
cloud.google.com/gke-spot: "true"
kubernetes.azure.com/scalesetpriority: spot
{{- end -}}

{{/*
Where pods go, as the values and what they run on have it: node selector, tolerations, affinity, spread, and what else a
pod's spec says about that.
Takes: scheduling, and optionally server (merged settings, of a server with its GPUs), selector (labels of the pods that are
spread, as JSON), packWith (labels of the pods whose nodes are preferred, as JSON), onDemand (whether these
pods are those of a server that never run on spot nodes).
*/}}
{{- define "model-management.placement" -}}
{{- $scheduling := .scheduling -}}
{{- $spot := include "model-management.spotLabels" . | fromYaml -}}
{{- $required := list -}}
{{- $tolerations := $scheduling.tolerations -}}
{{- $server := .server | default dict -}}
{{- $gpu := gt (int (dig "resources" "gpu" 0 $server)) 0 -}}
{{- $schedulerName := $scheduling.schedulerName -}}
{{- if $gpu -}}
{{- $required = include "model-management.gpuNodes" $server | fromJsonArray -}}
{{- if eq $server.gpu.mode "hami" }}{{ $schedulerName = $server.gpu.hami.schedulerName }}{{ end -}}
{{- /* The taint is the GPU's name, whatever its parts are called. */ -}}
{{- $nvidia := or (has $server.gpu.mode (list "mig" "dra")) (hasPrefix "nvidia.com/" $server.resources.gpuResource) -}}
{{- $key := ternary "nvidia.com/gpu" $server.resources.gpuResource $nvidia -}}
{{- $tolerations = append $tolerations (dict "key" $key "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- $preferred := list -}}
{{- range $label, $value := $spot -}}
{{- if eq $scheduling.capacity "onDemand" -}}
{{- $required = append $required (dict "key" $label "operator" "NotIn" "values" (list $value)) -}}
{{- else if eq $scheduling.capacity "preferSpot" -}}
{{- $expressions := list (dict "key" $label "operator" "In" "values" (list $value)) -}}
{{- $preferred = append $preferred (dict "weight" 100 "preference" (dict "matchExpressions" $expressions)) -}}
{{- $tolerations = append $tolerations (dict "key" $label "operator" "Equal" "value" $value "effect" "NoSchedule") -}}
{{- end -}}
{{- end -}}
{{- with $scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with uniq $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or $required $preferred $scheduling.pack }}
affinity:
  {{- if or $required $preferred }}
  nodeAffinity:
    {{- with $required }}
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- toYaml . | nindent 12 }}
    {{- end }}
    {{- with $preferred }}
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- if $scheduling.pack }}
  podAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- .packWith | fromJson | toYaml | nindent 14 }}
            # Those that stay off spot nodes would draw the others there, as much as spot nodes do.
            matchExpressions:
              - key: {{ include "model-management.onDemandLabel" . }}
                operator: {{ ternary "Exists" "DoesNotExist" (.onDemand | default false) }}
  {{- end }}
{{- end }}
{{- if $scheduling.spread }}
topologySpreadConstraints:
  {{- /*
  The scheduler puts each pod where the fewest are, whatever the skew. Karpenter buys for a preference as for a requirement: with 1 a
  node for each pod. It cannot be of the number of pods, for a change of that is to restart none.
  */}}
  {{- range list (list "topology.kubernetes.io/zone" 1) (list "kubernetes.io/hostname" 4) }}
  - topologyKey: {{ first . }}
    maxSkew: {{ last . }}
    # Where a zone or a node has no room, that must not keep a pod from running.
    whenUnsatisfiable: ScheduleAnyway
    # During a rollout the new pods are spread by themselves.
    matchLabelKeys:
      - pod-template-hash
    labelSelector:
      matchLabels:
        {{- $.selector | fromJson | toYaml | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with $scheduling.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $scheduling.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- end -}}
