{{/*
The rules of a file under files/rules/, with the words of this release in place of the marks. Nothing in it is a template of
Helm: the braces are for Prometheus. Takes: root, file; gives YAML.
*/}}
{{- define "model-management.rules" -}}
{{- $runbooks := .root.Values.monitoring.rules.runbooksUrl | default "docs/runbooks" -}}
{{- .root.Files.Get (printf "files/rules/%s" .file)
      | replace "__namespace__" .root.Release.Namespace
      | replace "__release__" .root.Release.Name
      | replace "__prefix__" .root.Values.namePrefix
      | replace "__claim__" (include "model-management.sharedClaimName" .root)
      | replace "__certificate__" .root.Values.ingress.tls.secretName
      | replace "__runbooks__" $runbooks -}}
{{- end -}}

{{/*
Rules that make constants of the values, for the others to join with: what each server is, and from where on something is
worth an alert. One names every model, and each further one has a term for all models or servers that share a value: a
rule for each of a thousand models would be as much as a ConfigMap holds. Takes the root; gives YAML.
*/}}
{{- define "model-management.constantRules" -}}
{{- include "model-management.resolve" . -}}
{{- $rules := list -}}
{{- $release := dict "namespace" .Release.Namespace "release" .Release.Name -}}
{{- $constants := dict -}}
{{- $monitoring := .Values.monitoring -}}
{{- range $it := .Values.resolved -}}
{{- $least := deepCopy $monitoring.alerts -}}
{{- $first := true -}}
{{- range $alias, $model := .models -}}
{{- $labels := merge (dict "model" $alias "server" $it.key "priority" $model.priority) $release -}}
{{- $rules = append $rules (dict "record" "model:server:info" "expr" "vector(1)" "labels" $labels) -}}
{{- $alerts := mergeOverwrite (deepCopy $monitoring.alerts) ($model.alerts | default dict) -}}
{{- $objectives := mergeOverwrite (get $monitoring.objectives $model.priority | deepCopy) ($model.objectives | default dict) -}}
{{- range $key, $value := $alerts -}}
{{- $_ := set $least $key (ternary (float64 $value) (minf (get $least $key) $value) $first) -}}
{{- end -}}
{{- $first = false -}}
{{- $seconds := toJson $objectives.firstTokenSeconds -}}
{{- range list
      (list "model:queue_wait_alert:seconds" "" (toJson $alerts.queueWaitSeconds))
      (list "model:rejected_alert:ratio" "" (printf "%s / 100" (toJson $alerts.rejectedPercent)))
      (list "model:slo_objective:ratio" "slo=available" (printf "%s / 100" (toJson $objectives.availablePercent)))
      (list "model:slo_objective:ratio" "slo=first_token" (printf "%s / 100" (toJson $objectives.firstTokenPercent)))
      (list "model:first_token_objective:info" (printf "le=%s" $seconds) "1") -}}
{{- include "model-management.constant" (dict "all" $constants "of" "model" "name" $alias "is" .) -}}
{{- end -}}
{{- /* Prometheus 3 writes every bound with a fraction, 2 as it finds it. */ -}}
{{- if not (contains "." $seconds) -}}
{{- include "model-management.constant" (dict "all" $constants "of" "model" "name" $alias
      "is" (list "model:first_token_objective:info" (printf "le=%s.0" $seconds) "1")) -}}
{{- end -}}
{{- end -}}
{{- $server := .server -}}
{{- $known := list
      (list "server:parallel:requests" "" (toJson $server.ollama.parallel))
      (list "server:replicas:min" "" (toJson $it.fewest))
      (list "server:replicas:max" "" (toJson $server.replicas.max))
      (list "server:replicas:fixed" "" (toJson $server.replicas.onDemand))
      (list "server:target_utilization:ratio" "" (printf "%s / 100" (toJson $server.autoscaling.targetUtilizationPercent)))
      (list "server:download_budget:seconds" "" (toJson $server.startup.downloadSeconds))
      (list "server:load_budget:seconds" "" (toJson $server.startup.loadSeconds))
      (list "server:memory_alert:ratio" "" (printf "%s / 100" (toJson $least.memoryPercent)))
      (list "server:restarts_alert:count" "" (toJson $least.restarts)) -}}
{{- if .gpu -}}
{{- $known = append $known (list "server:gpus:count" "" (toJson $server.resources.gpu)) -}}
{{- $known = append $known (list "server:gpu_alert:percent" "" (toJson $least.gpuPercent)) -}}
{{- if gt (int64 .memory) 0 -}}
{{- $known = append $known (list "server:gpu_memory:bytes" "" (mul (int64 .memory) 1048576 | toString)) -}}
{{- end -}}
{{- end -}}
{{- with $server.costPerHour -}}
{{- $known = append $known (list "server:pod_cost:dollars_per_hour" "" (toJson .)) -}}
{{- end -}}
{{- range $known -}}
{{- include "model-management.constant" (dict "all" $constants "of" "server" "name" $it.key "is" .) -}}
{{- end -}}
{{- end -}}
{{- /* One rule for each, of a term for each value. */ -}}
{{- $terms := dict -}}
{{- /* What is no server's is the gateway's. */ -}}
{{- $gateway := printf "* group by (namespace, release) (model:server:info{namespace=%q,release=%q})" .Release.Namespace .Release.Name -}}
{{- $_ := set $terms "server:memory_alert:ratio|" (list (printf "%s / 100 %s" (toJson $monitoring.alerts.memoryPercent) $gateway)) -}}
{{- $_ := set $terms "server:restarts_alert:count|" (list (printf "%s %s" (toJson $monitoring.alerts.restarts) $gateway)) -}}
{{- range $constants -}}
{{- $names := join "|" .names | replace "." "[.]" -}}
{{- $term := printf "%s * group by (namespace, release, %s) (model:server:info{namespace=%q,release=%q,%s=~%q})" .value .of $.Release.Namespace $.Release.Name .of $names -}}
{{- $key := printf "%s|%s" .record .label -}}
{{- $_ := set $terms $key (append (get $terms $key | default list) $term) -}}
{{- end -}}
{{- range $key, $list := $terms -}}
{{- $parts := splitList "|" $key -}}
{{- $rule := dict "record" (first $parts) "expr" (join " or " $list) -}}
{{- with last $parts }}{{ $_ := set $rule "labels" (dict (splitList "=" . | first) (splitList "=" . | last)) }}{{ end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- range $paid, $sizes := $monitoring.plannedCost -}}
{{- range $size, $dollars := $sizes -}}
{{- if $dollars -}}
{{- $labels := merge (dict "paid" (kebabcase $paid) "size" $size) $release -}}
{{- $rules = append $rules (dict "record" "release:planned_cost:dollars_per_hour" "expr" (printf "vector(%s)" (toJson $dollars)) "labels" $labels) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.backup -}}
{{- if .enabled -}}
{{- $rules = append $rules (dict "record" "release:backup_age_alert:seconds" "expr" (printf "vector(%d)" (mul 3600 (int .alertAfterHours))) "labels" $release) -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "groups" (list (dict "name" "model-management-values" "rules" $rules))) -}}
{{- end -}}

{{/* Notes a constant. Takes: all (where), of (model or server), name, is (a list of record, further label or "", value). */}}
{{- define "model-management.constant" -}}
{{- $key := join "|" .is -}}
{{- if not (hasKey .all $key) -}}
{{- $_ := set .all $key (dict "record" (index .is 0) "label" (index .is 1) "value" (index .is 2) "of" .of "names" list) -}}
{{- end -}}
{{- $constant := get .all $key -}}
{{- $_ := set $constant "names" (append $constant.names .name) -}}
{{- end -}}
