{{/* What the Deployment of a gateway says. Takes: root, gateway (one of `model-management.gateways`). */}}
{{- define "model-management.gatewayDeployment" -}}
{{- if not .root.Values.gateway.autoscaling.enabled }}
replicas: {{ .root.Values.gateway.replicas.min }}
{{- end }}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxUnavailable: 0
    maxSurge: 1
selector:
  matchLabels:
    {{- include "model-management.selectorLabels" (dict "root" .root "component" "gateway" "colour" .gateway.colour) | nindent 4 }}
template:
  metadata:
    labels:
      {{- include "model-management.podLabels" (dict "root" .root "component" "gateway" "colour" .gateway.colour) | nindent 6 }}
    annotations:
      kubectl.kubernetes.io/default-container: gateway
      {{- include "model-management.scrapeAnnotations" .root | nindent 6 }}
  spec:
    {{- include "model-management.podBasics" (dict "root" .root "scheduling" .root.Values.gateway.scheduling "serviceAccount" (include "model-management.gatewayName" .root) "token" true
          "selector" (include "model-management.identity" (dict "root" .root "component" "gateway" "colour" .gateway.colour))
          "packWith" (include "model-management.kindOfServer" (dict "root" .root "gpu" false))) | nindent 4 }}
    terminationGracePeriodSeconds: {{ include "model-management.graceSeconds" .root }}
    containers:
      - name: gateway
        image: {{ include "model-management.image" (dict "root" .root "image" .root.Values.image) | quote }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        args:
          - /app/service/gateway/main.ts
          - --config
          - /etc/model-management/config.json
        ports:
          {{- include "model-management.servicePorts" . | nindent 10 }}
        resources:
          {{- include "model-management.serviceResources" .root.Values.gateway.resources | nindent 10 }}
        startupProbe:
          httpGet:
            path: /health/startup
            port: http
          periodSeconds: 1
          timeoutSeconds: 5
          failureThreshold: 60
        livenessProbe:
          httpGet:
            path: /health/live
            port: http
          periodSeconds: 10
          timeoutSeconds: 5
          failureThreshold: 6
        readinessProbe:
          httpGet:
            path: /health/ready
            port: http
          periodSeconds: 2
          timeoutSeconds: 5
          failureThreshold: 2
        securityContext:
          {{- include "model-management.containerSecurity" . | nindent 10 }}
        volumeMounts:
          # The whole folder: the gateway reads a changed configuration without a restart.
          - name: config
            mountPath: /etc/model-management
            readOnly: true
          {{- if .root.Values.gateway.apiKeys.enabled }}
          # A folder, too: keys come and go without a restart.
          - name: api-keys
            mountPath: {{ include "model-management.apiKeysFolder" . }}
            readOnly: true
          {{- end }}
          {{- if .root.Values.backup.enabled }}
          - name: backup-status
            mountPath: {{ include "model-management.backupStatusFolder" . }}
            readOnly: true
          {{- end }}
    volumes:
      - name: config
        configMap:
          name: {{ .gateway.name | quote }}
      {{- with .root.Values.gateway.apiKeys }}
      {{- if .enabled }}
      - name: api-keys
        secret:
          secretName: {{ .existingSecret | quote }}
          defaultMode: 0440
          items:
            - key: {{ .secretKey | quote }}
              path: {{ .secretKey | quote }}
      {{- end }}
      {{- end }}
      {{- if .root.Values.backup.enabled }}
      - name: backup-status
        configMap:
          name: {{ include "model-management.backupStatusName" .root | quote }}
      {{- end }}
{{- end -}}
