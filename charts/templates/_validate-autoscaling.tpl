{{/* Signals that cannot reach an autoscaler, and pods that nothing could take to none. */}}
{{- define "model-management.autoscalingMistakes" -}}
{{- $mistakes := list -}}
{{- with .Values.autoscaling -}}
{{- if eq .engine "keda" -}}
{{- if ne .signals "demand" -}}
{{- $mistakes = append $mistakes "autoscaling.engine: keda scales on demand alone, and signals is cpu: set signals to demand, or engine to hpa" -}}
{{- end -}}
{{- if not .prometheusUrl -}}
{{- $mistakes = append $mistakes "autoscaling.prometheusUrl: is empty, and KEDA has to ask Prometheus: set it, such as http://prometheus.monitoring:9090, or set engine to hpa" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .signals "demand") (eq $.Values.monitoring.rules.delivery "none") -}}
{{- $mistakes = append $mistakes "autoscaling.signals: demand is what rules of Prometheus record, and monitoring.rules.delivery is none: set that to configMap or prometheusRule, or signals to cpu" -}}
{{- end -}}
{{- if $.Values.forecaster.enabled -}}
{{- if ne .signals "demand" -}}
{{- $mistakes = append $mistakes "forecaster.enabled: what it says is a signal of demand, and autoscaling.signals is cpu: set that to demand, or enabled to false" -}}
{{- end -}}
{{- if not .prometheusUrl -}}
{{- $mistakes = append $mistakes "forecaster.enabled: autoscaling.prometheusUrl is empty, and the forecaster learns from Prometheus: set that, such as http://prometheus.monitoring:9090, or enabled to false" -}}
{{- end -}}
{{- end -}}
{{- if include "model-management.isNoTimeZone" .timeZone -}}
{{- $mistakes = append $mistakes (printf "autoscaling.timeZone: there is no time zone '%s': name one as 'Europe/Berlin'" .timeZone) -}}
{{- end -}}
{{- if and (eq .signals "demand") (eq .engine "hpa") (semverCompare "<1.37.0-0" $.Capabilities.KubeVersion.Version) -}}
{{- $why := printf "min 0 needs Kubernetes 1.37 or later by autoscaling.engine hpa, and this is %s: set min to 1, or engine to keda" $.Capabilities.KubeVersion.Version -}}
{{- range $it := $.Values.resolved -}}
{{- if .scaled -}}
{{- if eq (int .server.replicas.min) 0 }}{{ $mistakes = append $mistakes (printf "servers.%s.replicas: %s" .key $why) }}{{ end -}}
{{- range $name, $window := .server.autoscaling.schedule -}}
{{- if and (hasKey . "min") (eq (int .min) 0) }}{{ $mistakes = append $mistakes (printf "servers.%s.autoscaling.schedule.%s: %s" $it.key $name $why) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/* Placeholders of no server, and those that no pod of it could push aside. */}}
{{- define "model-management.placeholderMistakes" -}}
{{- $mistakes := list -}}
{{- $classes := dict -}}
{{- range .Values.resolved }}{{ $_ := set $classes .key .server.scheduling.priorityClassName }}{{ end -}}
{{- range $name, $placeholder := .Values.autoscaling.placeholders -}}
{{- $where := printf "autoscaling.placeholders.%s" $name -}}
{{- if not (hasKey $classes .server) -}}
{{- $mistakes = append $mistakes (printf "%s.server: there is no server '%s' that is on: name one of %s" $where .server (keys $classes | sortAlpha | join ", ")) -}}
{{- else if eq (get $classes .server) .priorityClassName -}}
{{- $mistakes = append $mistakes (printf "%s.priorityClassName: is that of servers.%s, whose pods could not take its room: name one with a lower value" $where .server) -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/*
Whether a name is that of no time zone, as far as this machine knows: of one that it does not know, Helm gives the time in UTC.
Where it knows none at all, the gateway is left to say it. Takes the name.
*/}}
{{- define "model-management.isNoTimeZone" -}}
{{- $isUnknown := and (eq (dateInZone "MST" now .) "UTC") (not (regexMatch "^(Etc/)?(UTC|UCT|Universal|Zulu)$" .)) -}}
{{- if and $isUnknown (eq (dateInZone "MST" now "Asia/Tokyo") "JST") }}true{{ end -}}
{{- end -}}

{{/* Windows that are none, and two at one time. */}}
{{- define "model-management.scheduleMistakes" -}}
{{- $mistakes := list -}}
{{- range $it := .Values.resolved -}}
{{- $spans := list -}}
{{- range $name, $window := .server.autoscaling.schedule -}}
{{- $where := printf "servers.%s.autoscaling.schedule.%s" $it.key $name -}}
{{- $lacks := list -}}
{{- range list "days" "from" "to" "min" }}{{ if not (hasKey $window .) }}{{ $lacks = append $lacks . }}{{ end }}{{ end -}}
{{- if $lacks -}}
{{- $mistakes = append $mistakes (printf "%s: lacks %s: say all of days, from, to and min" $where (join " and " $lacks)) -}}
{{- else if not .days -}}
{{- $mistakes = append $mistakes (printf "%s: days is empty: name one, or set the window to null" $where) -}}
{{- else if eq .from .to -}}
{{- $mistakes = append $mistakes (printf "%s: begins and ends at %s: set another end, or 00:00 and 24:00 for whole days" $where .from) -}}
{{- else -}}
{{- if gt (int .min) (int $it.server.replicas.max) -}}
{{- $mistakes = append $mistakes (printf "%s: min %d is above replicas.max %d: raise max or lower min" $where (int .min) (int $it.server.replicas.max)) -}}
{{- end -}}
{{- $overlap := "" -}}
{{- range $span := include "model-management.spans" . | fromJsonArray -}}
{{- range $other := $spans -}}
{{- if and (ne $other.name $name) (lt (int $span.from) (int $other.to)) (lt (int $other.from) (int $span.to)) }}{{ $overlap = $other.name }}{{ end -}}
{{- end -}}
{{- $spans = append $spans (merge (dict "name" $name) $span) -}}
{{- end -}}
{{- with $overlap -}}
{{- $mistakes = append $mistakes (printf "%s: overlaps with %s: let one end before the other begins" $where .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}

{{/*
When a window is, in minutes of the week from Monday on: a list of dicts with from and to. One that goes on into the next week
is in two pieces. Takes the window; gives JSON.
*/}}
{{- define "model-management.spans" -}}
{{- $week := 10080 -}}
{{- $spans := list -}}
{{- $from := include "model-management.minutes" .from | int -}}
{{- $to := include "model-management.minutes" .to | int -}}
{{- if le $to $from }}{{ $to = add $to 1440 | int }}{{ end -}}
{{- range .days -}}
{{- $day := get (dict "mon" 0 "tue" 1440 "wed" 2880 "thu" 4320 "fri" 5760 "sat" 7200 "sun" 8640) . -}}
{{- $end := add $day $to | int -}}
{{- $spans = append $spans (dict "from" (add $day $from) "to" (min $end $week)) -}}
{{- if gt $end $week }}{{ $spans = append $spans (dict "from" 0 "to" (sub $end $week)) }}{{ end -}}
{{- end -}}
{{- toJson $spans -}}
{{- end -}}

{{/* Minutes of the day. Takes a time, `HH:MM`. */}}
{{- define "model-management.minutes" -}}
{{- $parts := splitList ":" . -}}
{{- add (mul 60 (first $parts | atoi)) (last $parts | atoi) -}}
{{- end -}}
