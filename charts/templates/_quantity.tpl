{{/* Millicores of a CPU quantity: 2 → 2000, 500m → 500. Takes the quantity. */}}
{{- define "model-management.millicores" -}}
{{- if hasSuffix "m" . }}{{ trimSuffix "m" . }}{{ else }}{{ mul 1000 (int64 .) }}{{ end -}}
{{- end -}}

{{/* Bytes of a quantity in the units that the schema allows: 1Gi → 1073741824, 40G → 40000000000. Takes the quantity. */}}
{{- define "model-management.bytes" -}}
{{- $unit := regexFind "[A-Za-z]+$" . -}}
{{- $factors := dict "M" 1000000 "G" 1000000000 "T" 1000000000000 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mul (trimSuffix $unit . | int64) (get $factors $unit) -}}
{{- end -}}
