{{/* What is switched on and needs somebody on the network whom the policies do not name. */}}
{{- define "model-management.networkMistakes" -}}
{{- $mistakes := list -}}
{{- $policy := .Values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- $needed := dict -}}
{{- $_ := set $needed "dns" "and pods look up names" -}}
{{- with .Values.modelRegistry.httpsProxy }}{{ $_ := set $needed "httpsProxy" (printf "and modelRegistry.httpsProxy is %s" .) }}{{ end -}}
{{- with .Values.tracing.endpoint }}{{ $_ := set $needed "collector" (printf "and tracing.endpoint is %s" .) }}{{ end -}}
{{- if .Values.inferencePool.enabled }}{{ $_ := set $needed "inferenceGateway" "and inferencePool is enabled" }}{{ end -}}
{{- range $key, $why := $needed -}}
{{- if not (include "model-management.peers" (get $policy $key) | fromJsonArray) -}}
{{- $mistakes = append $mistakes (printf "networkPolicy.%s: names nobody, %s: set its namespaceLabels, podLabels or addresses" $key $why) -}}
{{- end -}}
{{- end -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" .Values.modelRegistry.host) -}}
{{- if and $port (not .Values.modelRegistry.httpsProxy) -}}
{{- $allowed := list -}}
{{- range $policy.modelRegistry.ports }}{{ $allowed = append $allowed (int .) }}{{ end -}}
{{- if not (has (int $port) $allowed) -}}
{{- $mistakes = append $mistakes (printf "networkPolicy.modelRegistry.ports: lacks %s, the port of modelRegistry.host: add it" $port) -}}
{{- end -}}
{{- end -}}
{{- if ne .Values.gateway.service.type "ClusterIP" -}}
{{- $outside := false -}}
{{- range $policy.clients }}{{ if .addresses }}{{ $outside = true }}{{ end }}{{ end -}}
{{- if not $outside -}}
{{- $mistakes = append $mistakes (printf "networkPolicy.clients: none of them has addresses, and gateway.service.type %s is for clients outside: add one with those of the clients and of the nodes" .Values.gateway.service.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
