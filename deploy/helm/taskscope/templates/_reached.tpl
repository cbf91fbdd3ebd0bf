{{/* The paths that the api serves, below the base path; all else is the page's. */}}
{{- define "taskscope.api.paths" -}}
{{- range list "/api" "/socket.io" "/docs" "/openapi.json" "/asyncapi.json" }}
- {{ $.Values.basePath }}{{ . }}
{{- end }}
{{- end }}

{{/* What each path leads to: [{path, component, port}], the api's first. */}}
{{- define "taskscope.paths" -}}
{{- range include "taskscope.api.paths" . | fromYamlArray }}
- {path: {{ . }}, component: api, port: {{ $.Values.api.service.port }}}
{{- end }}
- {path: {{ .Values.basePath | default "/" }}, component: web, port: {{ .Values.web.service.port }}}
{{- end }}
