{{/*
Whether a server's GPUs are parts that the device plugin makes of them. Takes the merged settings of a server; gives text,
empty for no.
*/}}
{{- define "model-management.gpuIsPart" -}}
{{- if has .gpu.mode (list "timeSlicing" "mps") }}true{{ end -}}
{{- end -}}

{{/*
What Ollama's container asks for to have GPUs, by the name of the resource; nothing where a ResourceClaim asks for them.
HAMi's memory and cores are those of each GPU. Takes the merged settings of a server; gives JSON.
*/}}
{{- define "model-management.gpuResources" -}}
{{- $count := int .resources.gpu -}}
{{- $resources := dict -}}
{{- if and (gt $count 0) (eq .gpu.mode "mig") -}}
{{- $_ := set $resources (printf "nvidia.com/mig-%s" (replace "+" "." .gpu.mig.profile)) $count -}}
{{- else if and (gt $count 0) (ne .gpu.mode "dra") -}}
{{- $_ := set $resources .resources.gpuResource $count -}}
{{- if eq .gpu.mode "hami" -}}
{{- $_ := set $resources "nvidia.com/gpumem" (int .gpu.hami.memoryMiB) -}}
{{- if gt (int .gpu.hami.cores) 0 }}{{ $_ := set $resources "nvidia.com/gpucores" (int .gpu.hami.cores) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toJson $resources -}}
{{- end -}}

{{/*
The same as a ResourceQuota counts it for a pod: requests of extended resources, and devices of a class. Takes the merged
settings of a server; gives JSON.
*/}}
{{- define "model-management.gpuQuota" -}}
{{- $quota := dict -}}
{{- range $resource, $count := include "model-management.gpuResources" . | fromJson -}}
{{- $_ := set $quota (printf "requests.%s" $resource) $count -}}
{{- end -}}
{{- if include "model-management.gpuIsClaim" . -}}
{{- $_ := set $quota (printf "%s.deviceclass.resource.k8s.io/devices" .gpu.dra.deviceClass) (int .resources.gpu) -}}
{{- end -}}
{{- toJson $quota -}}
{{- end -}}

{{/* Whether a ResourceClaim asks for a server's GPUs. Takes its merged settings; gives text, empty for no. */}}
{{- define "model-management.gpuIsClaim" -}}
{{- if and (gt (int .resources.gpu) 0) (eq .gpu.mode "dra") }}true{{ end -}}
{{- end -}}

{{/*
MiB of all GPUs that a pod may fill: that of whole devices, its part of one, its slice, or what HAMi gives it; 0 where it is
not known. Of a slice whose memory nobody states, 88 % of what its name says are there at least: 16 GiB of `1g.18gb` on an
H200, where it is least (MIG User Guide of NVIDIA, supported profiles). Takes the merged settings of a server.
*/}}
{{- define "model-management.gpuMemoryMiB" -}}
{{- $count := int64 .resources.gpu -}}
{{- $each := int64 .resources.gpuMemoryMiB -}}
{{- if include "model-management.gpuIsPart" . -}}
{{- div $each (int64 .gpu.sharedBy) -}}
{{- else if eq .gpu.mode "hami" -}}
{{- mul $count (int64 .gpu.hami.memoryMiB) -}}
{{- else if and (eq .gpu.mode "mig") (eq $each 0) -}}
{{- div (mul 88 (include "model-management.migMiB" .)) 100 -}}
{{- else -}}
{{- mul $count $each -}}
{{- end -}}
{{- end -}}

{{/* MiB that the name of a slice speaks of, which is a little more than it has. Takes the merged settings of a server. */}}
{{- define "model-management.migMiB" -}}
{{- mul 1024 (regexFind "[0-9]+gb" .gpu.mig.profile | trimSuffix "gb" | int64) -}}
{{- end -}}

{{/* Where that memory stands in the values, for messages. Takes: key (of the server), server (its merged settings). */}}
{{- define "model-management.gpuMemoryName" -}}
{{- $count := int .server.resources.gpu -}}
{{- if include "model-management.gpuIsPart" .server -}}
servers.{{ .key }}.resources.gpuMemoryMiB ÷ gpu.sharedBy {{ .server.gpu.sharedBy }}
{{- else if eq .server.gpu.mode "hami" -}}
{{ $count }} × servers.{{ .key }}.gpu.hami.memoryMiB
{{- else if eq .server.gpu.mode "mig" -}}
the slice servers.{{ .key }}.gpu.mig.profile {{ .server.gpu.mig.profile }}
{{- else -}}
{{ $count }} × servers.{{ .key }}.resources.gpuMemoryMiB
{{- end -}}
{{- end -}}

{{/*
By what HAMi is told to put parts of GPUs together, on as few of them and on as few nodes as can be: it spreads nodes' GPUs
otherwise. Takes the merged settings of a server.
*/}}
{{- define "model-management.gpuAnnotations" -}}
{{- if and (gt (int .resources.gpu) 0) (eq .gpu.mode "hami") -}}
hami.io/gpu-scheduler-policy: binpack
hami.io/node-scheduler-policy: binpack
{{- end -}}
{{- end -}}

{{/*
What nodes must be like for the GPUs to be what the values say: labels that the device plugin's GPU feature discovery keeps.
Whole GPUs keep off nodes that offer parts under the same name, and take nodes without any label. Takes the merged settings
of a server; gives JSON, a list of expressions of a node affinity.
*/}}
{{- define "model-management.gpuNodes" -}}
{{- $expressions := list -}}
{{- if and (gt (int .resources.gpu) 0) (hasPrefix "nvidia.com/" .resources.gpuResource) -}}
{{- if has .gpu.mode (list "exclusive" "shared") -}}
{{- $expressions = append $expressions (dict "key" "nvidia.com/gpu.sharing-strategy" "operator" "NotIn" "values" (list "time-slicing" "mps")) -}}
{{- else if include "model-management.gpuIsPart" . -}}
{{- $strategy := ternary "mps" "time-slicing" (eq .gpu.mode "mps") -}}
{{- $expressions = append $expressions (dict "key" "nvidia.com/gpu.sharing-strategy" "operator" "In" "values" (list $strategy)) -}}
{{- $expressions = append $expressions (dict "key" "nvidia.com/gpu.replicas" "operator" "In" "values" (list (.gpu.sharedBy | int | toString))) -}}
{{- end -}}
{{- if and .gpu.matchMemory (gt (int64 .resources.gpuMemoryMiB) 0) (has .gpu.mode (list "exclusive" "shared" "timeSlicing" "mps")) -}}
{{- $expressions = append $expressions (dict "key" "nvidia.com/gpu.memory" "operator" "Gt" "values" (list (sub (int64 .resources.gpuMemoryMiB) 1 | toString))) -}}
{{- /* What would hold it twice is for what takes no less: the scheduler would give a small model whichever node comes first. */ -}}
{{- $expressions = append $expressions (dict "key" "nvidia.com/gpu.memory" "operator" "Lt" "values" (list (mul 2 (int64 .resources.gpuMemoryMiB) | toString))) -}}
{{- end -}}
{{- end -}}
{{- toJson $expressions -}}
{{- end -}}

{{/*
Name of a server's ResourceClaimTemplate. Such a template cannot be changed: one that says something else is another one.
Takes: root, name (of the Deployment), server (its merged settings).
*/}}
{{- define "model-management.claimTemplateName" -}}
{{- $hash := include "model-management.claimSpec" .server | sha256sum | trunc 8 -}}
{{- include "model-management.name" (dict "root" (dict "Values" (dict "namePrefix" "")) "name" .name "suffix" (printf "-gpu-%s" $hash)) -}}
{{- end -}}

{{/* The claim that each pod gets: devices with enough memory. Takes the merged settings of a server. */}}
{{- define "model-management.claimSpec" -}}
{{- $dra := .gpu.dra -}}
devices:
  requests:
    - name: gpu
      exactly:
        deviceClassName: {{ $dra.deviceClass | quote }}
        allocationMode: ExactCount
        count: {{ int .resources.gpu }}
        {{- with int64 .resources.gpuMemoryMiB }}
        selectors:
          - cel:
              expression: device.capacity[{{ $dra.driver | quote }}].memory.compareTo(quantity("{{ . }}Mi")) >= 0
        {{- end }}
{{- end -}}
