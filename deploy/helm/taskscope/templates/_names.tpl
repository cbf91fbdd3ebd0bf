{{/* Names, labels and images: what every object has. */}}

{{- define "taskscope.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters, so that a component's name and what Kubernetes adds fit into 63. */}}
{{- define "taskscope.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "taskscope.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "taskscope.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What a component's pods are known by, and nothing else: it can never change. Takes root and component. */}}
{{- define "taskscope.selector" -}}
app.kubernetes.io/name: {{ include "taskscope.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object. Takes root, component, and more labels; ours cannot be replaced. */}}
{{- define "taskscope.labels" -}}
{{- $ours := include "taskscope.selector" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" (.root.Chart.AppVersion | toString) -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "taskscope" -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- merge $ours (deepCopy (default dict .more)) (deepCopy .root.Values.commonLabels) | toYaml -}}
{{- end }}

{{/* Labels of a pod: none that changes with a version, so that an upgrade replaces those pods alone that are others then. Takes the same. */}}
{{- define "taskscope.podLabels" -}}
{{- $ours := include "taskscope.selector" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "taskscope" -}}
{{- merge $ours (deepCopy (default dict .more)) (deepCopy .root.Values.podLabels) (deepCopy .root.Values.commonLabels) | toYaml -}}
{{- end }}

{{/* The metadata of an object. Takes root, component, suffix of its name (or name), namespace, labels and annotations. */}}
{{- define "taskscope.metadata" -}}
metadata:
  name: {{ .name | default (printf "%s%s" (include "taskscope.fullname" .root) (empty .suffix | ternary "" (printf "-%s" .suffix))) }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "taskscope.labels" (dict "root" .root "component" .component "more" .labels) | nindent 4 }}
  {{- with merge (deepCopy (default dict .annotations)) (deepCopy .root.Values.commonAnnotations) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* An image's whole name. Takes root and image. */}}
{{- define "taskscope.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- $name := empty $registry | ternary .image.repository (printf "%s/%s" $registry .image.repository) -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion | toString) -}}
{{- end -}}
{{- end }}

{{- define "taskscope.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "taskscope.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}
