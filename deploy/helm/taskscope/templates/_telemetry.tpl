{{/* The standard OTEL_* variables of collector and api; none at all while nothing is switched on. Takes root and component. */}}
{{- define "taskscope.telemetry" -}}
{{- $otel := .root.Values.otel -}}
{{- $metrics := .root.Values.metrics.enabled -}}
{{- if or $otel.endpoint $metrics }}
- {name: OTEL_SERVICE_NAME, value: taskscope-{{ .component }}}
{{ include "taskscope.telemetry.resource" . }}
- name: OTEL_TRACES_EXPORTER
  value: {{ and (not (empty $otel.endpoint)) $otel.traces | ternary "otlp" "none" }}
- name: OTEL_METRICS_EXPORTER
  value: {{ include "taskscope.telemetry.metrics" .root }}
- {name: OTEL_LOGS_EXPORTER, value: none}
{{- if $otel.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $otel.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ $otel.protocol }}
- name: OTEL_TRACES_SAMPLER
  value: {{ $otel.sampler }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $otel.samplerArg | quote }}
{{- end }}
{{- if $metrics }}
- name: OTEL_EXPORTER_PROMETHEUS_HOST
  value: {{ .root.Values.listenAddress | quote }}
- {name: OTEL_EXPORTER_PROMETHEUS_PORT, value: "9464"}
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.telemetry.metrics" -}}
{{- $found := list -}}
{{- if and .Values.otel.endpoint .Values.otel.metrics -}}{{- $found = append $found "otlp" -}}{{- end -}}
{{- if .Values.metrics.enabled -}}{{- $found = append $found "prometheus" -}}{{- end -}}
{{- join "," $found | default "none" -}}
{{- end }}

{{/* Who it is, from the downward API. */}}
{{- define "taskscope.telemetry.resource" -}}
- name: K8S_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: K8S_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: K8S_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: OTEL_RESOURCE_ATTRIBUTES
  {{- $deployment := printf "%s-%s" (include "taskscope.fullname" .root) .component }}
  {{- $attributes := list
    (printf "service.namespace=%s" .root.Release.Namespace)
    (printf "service.version=%s" .root.Chart.AppVersion)
    "service.instance.id=$(K8S_POD_UID)"
    (printf "k8s.namespace.name=%s" .root.Release.Namespace)
    (printf "k8s.deployment.name=%s" $deployment)
    "k8s.pod.name=$(K8S_POD_NAME)"
    "k8s.pod.uid=$(K8S_POD_UID)"
    "k8s.node.name=$(K8S_NODE_NAME)"
    (printf "k8s.container.name=%s" .component) }}
  {{- range $name, $value := .root.Values.otel.resourceAttributes }}
  {{- $attributes = append $attributes (printf "%s=%s" $name $value) }}
  {{- end }}
  value: {{ join "," $attributes | quote }}
{{- end }}

{{/* What every process of ours is told by variables. Takes root and component. */}}
{{- define "taskscope.env" -}}
{{ include "taskscope.env.config" .root }}
{{- include "taskscope.telemetry" . }}
{{- end }}

{{- define "taskscope.env.config" -}}
- {name: TASKSCOPE_CONFIG, value: {{ include "taskscope.folder" . }}/taskscope.yaml}
{{- end }}
