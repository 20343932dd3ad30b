{{/*
The gateways of the release: one, or two while one takes the other's place. A list of dicts:
  slot    `blue`, `green`, or `rolling` for the one without a colour
  colour  the slot, or empty
  name    of its objects
  held    whether it stays as it was before: all of it is in `gateway.blueGreen.held`
Takes the root; gives JSON.
*/}}
{{- define "model-management.gateways" -}}
{{- $slots := list "rolling" -}}
{{- $held := include "model-management.held" . | fromJson -}}
{{- if eq .Values.gateway.strategy "blueGreen" -}}
{{- $slots = ternary (list ($held.slot | default "?") ($held.next | default "??")) (list .Values.gateway.blueGreen.active) (not (empty $held)) -}}
{{- end -}}
{{- $gateways := list -}}
{{- range $slots -}}
{{- $colour := ternary "" . (eq . "rolling") -}}
{{- $gateways = append $gateways (dict "slot" . "colour" $colour "held" (eq . ($held.slot | default ""))
      "name" (include "model-management.slotName" (dict "root" $ "slot" .))) -}}
{{- end -}}
{{- toJson $gateways -}}
{{- end -}}

{{/* The gateway that ran before, as the values hold it; empty where there is but one. Takes the root; gives JSON. */}}
{{- define "model-management.held" -}}
{{- ternary .Values.gateway.blueGreen.held "" (eq .Values.gateway.strategy "blueGreen") | default "{}" -}}
{{- end -}}

{{/* Name of the objects of a gateway. Takes: root, slot. */}}
{{- define "model-management.slotName" -}}
{{- include "model-management.name" (dict "root" .root "name" "model-management-gateway"
      "suffix" (ternary "" (printf "-%s" .slot) (eq .slot "rolling"))) -}}
{{- end -}}

{{/* The slot to which the gateway's Service leads. Takes the root. */}}
{{- define "model-management.activeSlot" -}}
{{- ternary .Values.gateway.blueGreen.active "rolling" (eq .Values.gateway.strategy "blueGreen") -}}
{{- end -}}

{{/* The other one, to which its preview leads. Takes the root. */}}
{{- define "model-management.previewSlot" -}}
{{- $active := .Values.gateway.blueGreen.active -}}
{{- $other := ternary "green" "blue" (eq $active "blue") -}}
{{- with include "model-management.held" . | fromJson }}{{ $other = ternary .next .slot (eq .slot $active) }}{{ end -}}
{{- $other -}}
{{- end -}}

{{/* Name of the Service that leads to the gateway which is tried. Takes the root. */}}
{{- define "model-management.previewName" -}}
{{- include "model-management.name" (dict "root" . "name" "model-management" "suffix" "-preview") -}}
{{- end -}}

{{/*
A state of the two colours that is none; and one that would take the service down: the Service led to gateways of which none is
ready, where others are. That is seen where Helm asks the cluster, not by `helm template`. Takes the root.
*/}}
{{- define "model-management.gatewayMistakes" -}}
{{- $mistakes := list -}}
{{- $active := include "model-management.activeSlot" . -}}
{{- $held := include "model-management.held" . | fromJson -}}
{{- $slots := list -}}
{{- range include "model-management.gateways" . | fromJsonArray }}{{ $slots = append $slots .slot }}{{ end -}}
{{- if and (eq .Values.gateway.strategy "blueGreen") (eq $active "rolling") (not $held) -}}
{{- $mistakes = append $mistakes "gateway.blueGreen.active: rolling is for the time in which the strategy changes: set it to blue or green" -}}
{{- else if or (hasKey $held "Error") (not (has $active $slots)) (ne (len $slots) (len (uniq $slots))) -}}
{{- $mistakes = append $mistakes "gateway.blueGreen.held: is not what `npm run deploy` writes: leave it empty, and let that write it" -}}
{{- end -}}
{{- $ready := dict -}}
{{- range list "rolling" "blue" "green" -}}
{{- $deployment := lookup "apps/v1" "Deployment" $.Release.Namespace (include "model-management.slotName" (dict "root" $ "slot" .)) | default dict -}}
{{- if and (gt (dig "status" "readyReplicas" 0 $deployment | int) 0) (eq (dig "metadata" "labels" "app.kubernetes.io/instance" "" $deployment) $.Release.Name) -}}
{{- $_ := set $ready . true -}}
{{- end -}}
{{- end -}}
{{- if and $ready (not (hasKey $ready $active)) -}}
{{- $mistakes = append $mistakes (printf "gateway: the Service would lead to the gateway `%s`, which has no ready pod, away from `%s`, which has: `npm run deploy` brings it up first; or set gateway.strategy and gateway.blueGreen.active to what runs" $active (keys $ready | sortAlpha | first)) -}}
{{- end -}}
{{- toJson $mistakes -}}
{{- end -}}
