{{/* What the kind of edge cannot do, or lacks. Takes the root; gives JSON. */}}
{{- define "model-management.edgeMistakes" -}}
{{- $mistakes := list -}}
{{- with .Values.ingress -}}
{{- if and .enabled (eq .kind "ingress") .oauth2Proxy.enabled -}}
{{- if not .oauth2Proxy.url -}}
{{- $mistakes = append $mistakes "ingress.oauth2Proxy: enabled without url: name where oauth2-proxy is asked, such as http://oauth2-proxy.auth.svc.cluster.local/oauth2/auth" -}}
{{- end -}}
{{- if and (eq .oauth2Proxy.protect "statusPage") (not $.Values.gateway.statusPage.enabled) -}}
{{- $mistakes = append $mistakes "ingress.oauth2Proxy.protect: is statusPage, and gateway.statusPage.enabled is false: set oauth2Proxy.enabled to false, or protect to everything" -}}
{{- end -}}
{{- end -}}
{{- if and .enabled (eq .kind "httpRoute") -}}
{{- if include "model-management.rateLimited" $ -}}
{{- $mistakes = append $mistakes "ingress.rateLimit: the Gateway API has no such thing, and kind is httpRoute: set its bounds to 0, and use a policy of your Gateway's implementation (docs/security.md)" -}}
{{- end -}}
{{- if .oauth2Proxy.enabled -}}
{{- $mistakes = append $mistakes "ingress.oauth2Proxy: the Gateway API has no such thing, and kind is httpRoute: set enabled to false, and use a policy of your Gateway's implementation (docs/security.md)" -}}
{{- end -}}
{{- if eq .tls.redirect "always" -}}
{{- $mistakes = append $mistakes "ingress.tls.redirect: is always, and a Gateway knows nothing of a load balancer in front of it: set it to withTls, or to never" -}}
{{- end -}}
{{- if and .gateway.create (not .gateway.className) -}}
{{- $mistakes = append $mistakes "ingress.gateway: create without className: name a GatewayClass of the cluster, or set create to false" -}}
{{- end -}}
{{- if and .gateway.create .gateway.namespace -}}
{{- $mistakes = append $mistakes "ingress.gateway.namespace: is set, and the chart makes its Gateway in its own: set it to \"\", or create to false" -}}
{{- end -}}
{{- if not (or .gateway.create .gateway.name) -}}
{{- $mistakes = append $mistakes "ingress.gateway.name: is empty, and kind is httpRoute: name the Gateway, or set create to true" -}}
{{- end -}}
{{- $redirects := and .tls.enabled (ne .tls.redirect "never") -}}
{{- if and (or .gateway.create $redirects) (or (not .gateway.httpListener) (and .tls.enabled (not .gateway.listener))) -}}
{{- $mistakes = append $mistakes "ingress.gateway: listener and httpListener tell HTTPS and HTTP apart, and one of them is empty: name both" -}}
{{- else if and .tls.enabled .gateway.listener (eq .gateway.listener .gateway.httpListener) -}}
{{- $mistakes = append $mistakes (printf "ingress.gateway: listener and httpListener are both %s: name the one that ends TLS, and the one that does not" .gateway.listener) -}}
{{- end -}}
{{- end -}}
{{- if and .enabled (eq .kind "httpRoute") $.Values.networkPolicy.enabled -}}
{{- $others := false -}}
{{- range $.Values.networkPolicy.clients -}}
{{- if or .addresses (and (or .podLabels .namespaceLabels) (ne (dig "podLabels" "app.kubernetes.io/name" "" .) "ingress-nginx")) }}{{ $others = true }}{{ end -}}
{{- end -}}
{{- if not $others -}}
{{- $mistakes = append $mistakes "networkPolicy.clients: knows ingress-nginx at most, and ingress.kind is httpRoute: set clients.ingress to null, and name your Gateway's pods (docs/security.md)" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
