{{/* What the mode of a server's GPUs cannot do. Takes the root; gives JSON, a list of messages. */}}
{{- define "model-management.gpuMistakes" -}}
{{- $mistakes := list -}}
{{- range $it := .Values.resolved -}}
{{- $server := .server -}}
{{- $mode := $server.gpu.mode -}}
{{- $count := int $server.resources.gpu -}}
{{- $each := int64 $server.resources.gpuMemoryMiB -}}
{{- $part := include "model-management.gpuIsPart" $server -}}
{{- $say := printf "servers.%s.gpu" .key -}}
{{- if .gpu -}}
{{- if and (eq $mode "exclusive") (gt (len .models) 1) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: exclusive, and %d models share its GPUs: set mode to shared, or give each a server" $say (len .models)) -}}
{{- end -}}
{{- if and (eq $mode "shared") (lt (len .models) 2) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: shared, and there is but one model: set mode to exclusive, or name further models" $say) -}}
{{- end -}}
{{- if and (has $mode (list "exclusive" "shared")) (hasSuffix ".shared" $server.resources.gpuResource) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: %s, and resources.gpuResource %s is a part of a GPU: set mode to timeSlicing or mps, as the device plugin is configured" $say $mode $server.resources.gpuResource) -}}
{{- end -}}
{{- /* Two parts may be of one GPU, and CUDA sees but one slice in a process. */ -}}
{{- if and (or $part (eq $mode "mig")) (gt $count 1) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: %s gives Ollama no more than one part of a GPU, and resources.gpu is %d: set it to 1, or set mode to exclusive" $say $mode $count) -}}
{{- end -}}
{{- if eq $mode "timeSlicing" -}}
{{- if eq $each 0 -}}
{{- $mistakes = append $mistakes (printf "%s.mode: timeSlicing keeps no pod from the memory of the others, and resources.gpuMemoryMiB is 0: set it to what the GPU has, or set mode to mps" $say) -}}
{{- end -}}
{{- range $alias, $model := .models -}}
{{- if eq (int64 $model.memoryMiB) 0 -}}
{{- $mistakes = append $mistakes (printf "models.%s.memoryMiB: is 0, and servers.%s.gpu.mode timeSlicing keeps no pod from the memory of the others: set it to what the model takes once loaded, or set mode to mps" $alias $it.key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $part (not (has $server.resources.gpuResource (list "nvidia.com/gpu" "nvidia.com/gpu.shared"))) (not (and (eq $mode "timeSlicing") (hasPrefix "nvidia.com/mig-" $server.resources.gpuResource))) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: %s is done by the device plugin of NVIDIA, and resources.gpuResource is %s: set it to nvidia.com/gpu, or to nvidia.com/gpu.shared with renameByDefault" $say $mode $server.resources.gpuResource) -}}
{{- end -}}
{{- if and (eq $mode "mig") (gt $each (include "model-management.migMiB" $server | int64)) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.resources.gpuMemoryMiB: %d is more than the slice %s has: set it to what `nvidia-smi` lists for the slice, or to 0" .key $each $server.gpu.mig.profile) -}}
{{- end -}}
{{- if and (eq $mode "dra") (semverCompare "<1.34.0-0" $.Capabilities.KubeVersion.Version) -}}
{{- $mistakes = append $mistakes (printf "%s.mode: dra needs Kubernetes 1.34 or later, and this is %s: use a device plugin and another mode" $say $.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and (eq $mode "hami") (gt $each 0) (gt (int64 $server.gpu.hami.memoryMiB) $each) -}}
{{- $mistakes = append $mistakes (printf "%s.hami.memoryMiB: %d is more than the %d of resources.gpuMemoryMiB: lower it, or take a larger GPU" $say (int64 $server.gpu.hami.memoryMiB) $each) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* What values say twice about where pods go, or against each other. Takes the root; gives JSON, a list of messages. */}}
{{- define "model-management.placementMistakes" -}}
{{- $mistakes := list -}}
{{- $spot := include "model-management.spotLabels" . | fromYaml -}}
{{- $everywhere := dict "gateway" .Values.gateway.scheduling -}}
{{- range .Values.resolved }}{{ $_ := set $everywhere (printf "servers.%s" .key) .server.scheduling }}{{ end -}}
{{- range $where, $scheduling := $everywhere -}}
{{- if ne $scheduling.capacity "any" -}}
{{- range $label, $_ := $scheduling.nodeSelector -}}
{{- if hasKey $spot $label -}}
{{- $mistakes = append $mistakes (printf "%s.scheduling.nodeSelector: %s is what capacity %s is about: remove it, or set capacity to any" $where $label $scheduling.capacity) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.resolved -}}
{{- $server := .server -}}
{{- $selector := $server.scheduling.nodeSelector -}}
{{- $where := printf "servers.%s.scheduling" .key -}}
{{- $onDemand := int $server.replicas.onDemand -}}
{{- if and (gt $onDemand 0) (ne $server.scheduling.capacity "preferSpot") -}}
{{- $mistakes = append $mistakes (printf "servers.%s.replicas.onDemand: is %d, and with scheduling.capacity %s no pod prefers spot nodes: set it to 0, or capacity to preferSpot" .key $onDemand $server.scheduling.capacity) -}}
{{- else if and (gt $onDemand 0) (ge $onDemand (int $server.replicas.min)) -}}
{{- $mistakes = append $mistakes (printf "servers.%s.replicas.onDemand: %d leaves none of min %d for spot nodes, and an autoscaler starts from one pod: raise min to %d, or set onDemand to 0 and scheduling.capacity to onDemand" .key $onDemand (int $server.replicas.min) (add $onDemand 1)) -}}
{{- end -}}
{{- if .gpu -}}
{{- range list "nvidia.com/gpu.sharing-strategy" "nvidia.com/gpu.replicas" -}}
{{- if and (hasKey $selector .) (ne $server.gpu.mode "hami") -}}
{{- $mistakes = append $mistakes (printf "%s.nodeSelector: %s follows from gpu.mode %s: remove it" $where . $server.gpu.mode) -}}
{{- end -}}
{{- end -}}
{{- $product := get $selector "nvidia.com/gpu.product" -}}
{{- if and $product (include "model-management.gpuIsPart" $server) (eq $server.resources.gpuResource "nvidia.com/gpu") (not (hasSuffix "-SHARED" $product)) -}}
{{- $mistakes = append $mistakes (printf "%s.nodeSelector: nvidia.com/gpu.product %s is no node's whose GPUs are offered in parts: write %s-SHARED" $where $product $product) -}}
{{- end -}}
{{- if and (eq $server.gpu.mode "hami") $server.scheduling.schedulerName (ne $server.scheduling.schedulerName $server.gpu.hami.schedulerName) -}}
{{- $mistakes = append $mistakes (printf "%s.schedulerName: HAMi leaves pods of %s alone: remove it, or set gpu.hami.schedulerName" $where $server.scheduling.schedulerName) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
