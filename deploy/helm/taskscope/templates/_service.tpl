{{/* The Service of a component. Takes root, component and port. */}}
{{- define "taskscope.service" -}}
{{- $service := (index .root.Values .component).service -}}
apiVersion: v1
kind: Service
{{ include "taskscope.metadata" (dict "root" .root "component" .component "suffix" .component "labels" $service.labels "annotations" $service.annotations) }}
spec:
  type: {{ $service.type }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http, protocol: TCP, appProtocol: http}
    {{- if and (eq .component "api") .root.Values.metrics.enabled }}
    - {name: metrics, port: 9464, targetPort: metrics, protocol: TCP, appProtocol: http}
    {{- end }}
  selector:
    {{- include "taskscope.selector" . | nindent 4 }}
{{- end }}
