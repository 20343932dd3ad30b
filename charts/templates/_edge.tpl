{{/*
Seconds that a request may take at the edge: the longest answer and the longest wait for it, and a little more, so that it is the
gateway that says it took too long. Takes the root; gives a number.
*/}}
{{- define "model-management.edgeSeconds" -}}
{{- include "model-management.resolve" . -}}
{{- $wait := 0 -}}
{{- range .Values.resolved -}}
{{- range .models -}}
{{- $wait = max $wait (int .queue.waitSeconds) (int .queue.holdSeconds) -}}
{{- end -}}
{{- end -}}
{{- add (int .Values.generationTimeoutSeconds) $wait 30 -}}
{{- end -}}

{{/* What has cert-manager make the certificate. Takes the root; gives JSON. */}}
{{- define "model-management.issuerAnnotations" -}}
{{- $annotations := dict -}}
{{- with .Values.ingress.tls -}}
{{- if .enabled -}}
{{- if .issuer -}}
{{- $_ := set $annotations "cert-manager.io/issuer" .issuer -}}
{{- else if .clusterIssuer -}}
{{- $_ := set $annotations "cert-manager.io/cluster-issuer" .clusterIssuer -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $annotations -}}
{{- end -}}

{{/* What ingress-nginx is told of every request. Takes the root; gives JSON. */}}
{{- define "model-management.nginxAnnotations" -}}
{{- $timeout := include "model-management.edgeSeconds" . -}}
{{- $said := dict
      "proxy-buffering" "off"
      "proxy-request-buffering" "off"
      "proxy-read-timeout" $timeout
      "proxy-send-timeout" $timeout
      "proxy-body-size" (printf "%dm" (int .Values.gateway.maxBodyMiB)) -}}
{{- with .Values.ingress.tls -}}
{{- if .enabled }}{{ $_ := set $said "ssl-redirect" (ne .redirect "never" | toString) }}{{ end -}}
{{- if eq .redirect "always" }}{{ $_ := set $said "force-ssl-redirect" "true" }}{{ end -}}
{{- end -}}
{{- with .Values.ingress.rateLimit -}}
{{- range $annotation, $bound := dict "limit-rps" .requestsPerSecond "limit-rpm" .requestsPerMinute "limit-connections" .connections -}}
{{- if int $bound }}{{ $_ := set $said $annotation (int $bound | toString) }}{{ end -}}
{{- end -}}
{{- if or (int .requestsPerSecond) (int .requestsPerMinute) }}{{ $_ := set $said "limit-burst-multiplier" (int .burstMultiplier | toString) }}{{ end -}}
{{- if include "model-management.rateLimited" $ }}{{ with .exempt }}{{ $_ := set $said "limit-whitelist" (join "," .) }}{{ end }}{{ end -}}
{{- end -}}
{{- $annotations := dict -}}
{{- range $name, $value := $said }}{{ $_ := set $annotations (printf "nginx.ingress.kubernetes.io/%s" $name) $value }}{{ end -}}
{{- toJson $annotations -}}
{{- end -}}

{{/* Something where the values bound what an address may ask. Takes the root. */}}
{{- define "model-management.rateLimited" -}}
{{- with .Values.ingress.rateLimit }}{{ if or (int .requestsPerSecond) (int .requestsPerMinute) (int .connections) }}true{{ end }}{{ end -}}
{{- end -}}

{{/* What has ingress-nginx ask oauth2-proxy first. Takes the root; gives JSON. */}}
{{- define "model-management.signInAnnotations" -}}
{{- $annotations := dict -}}
{{- with .Values.ingress.oauth2Proxy -}}
{{- $_ := set $annotations "nginx.ingress.kubernetes.io/auth-url" .url -}}
{{- with .signinUrl }}{{ $_ := set $annotations "nginx.ingress.kubernetes.io/auth-signin" . }}{{ end -}}
{{- end -}}
{{- toJson $annotations -}}
{{- end -}}

{{/* Name of the Gateway that routes are attached to. Takes the root. */}}
{{- define "model-management.edgeGatewayName" -}}
{{- .Values.ingress.gateway.name | default (include "model-management.serviceName" .) -}}
{{- end -}}

{{/* That Gateway as the parent of a route. Takes: root, listeners (a list, of which empty ones stand for all); gives YAML. */}}
{{- define "model-management.edgeParents" -}}
{{- $parents := list -}}
{{- range .listeners -}}
{{- $parent := dict
      "group" "gateway.networking.k8s.io"
      "kind" "Gateway"
      "name" (include "model-management.edgeGatewayName" $.root) -}}
{{- with $.root.Values.ingress.gateway.namespace }}{{ $_ := set $parent "namespace" . }}{{ end -}}
{{- with . }}{{ $_ := set $parent "sectionName" . }}{{ end -}}
{{- $parents = append $parents $parent -}}
{{- end -}}
{{- toYaml (uniq $parents) -}}
{{- end -}}

{{/* Annotations of an object of the edge: the values' own win. Takes: root, own (a dict); gives YAML, or nothing. */}}
{{- define "model-management.edgeAnnotations" -}}
{{- with mergeOverwrite .own (deepCopy .root.Values.ingress.annotations) -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
