{{/*
The Deployment of collector, api and web. Takes root, component and container: what differs, as YAML: args, env, ports, probes (the path and port of
each), volumes, mounts, checksum (what a change of rolls the pods).
*/}}
{{- define "taskscope.workload" -}}
{{- $root := .root }}
{{- $values := index .root.Values .component }}
{{- $said := .container | fromYaml }}
{{- $about := dict "root" $root "component" .component "values" $values }}
{{- $probes := dict }}
{{- range $kind, $asked := $said.probes }}
{{- $_ := set $probes $kind (merge (dict "httpGet" $asked) (deepCopy (index $values $kind))) }}
{{- end }}
{{- $container := dict
  "args" $said.args
  "env" (concat (default list $said.env) (include "taskscope.extraEnv" $about | fromYamlArray))
  "ports" $said.ports
  "probes" $probes
  "preStopSleepSeconds" $values.preStopSleepSeconds
  "resources" $values.resources
  "mounts" (concat $said.mounts $values.extraVolumeMounts) }}
{{- $pod := dict
  "volumes" (concat $said.volumes $values.extraVolumes)
  "terminationGracePeriodSeconds" $values.terminationGracePeriodSeconds
  "priorityClassName" $values.priorityClassName
  "nodeSelector" $values.nodeSelector
  "tolerations" $values.tolerations
  "affinity" (include "taskscope.affinity" $about | fromYaml)
  "topologySpreadConstraints" (include "taskscope.spread" $about | fromYamlArray) }}
{{- $annotations := deepCopy $values.podAnnotations }}
{{- with $said.checksum }}
{{- $annotations = merge (dict "checksum/config" (sha256sum .)) $annotations }}
{{- end }}
apiVersion: apps/v1
kind: Deployment
{{ include "taskscope.metadata" (dict "root" $root "component" .component "suffix" .component "annotations" $values.annotations) }}
spec:
  {{- if not (dig "autoscaling" "enabled" false $values) }}
  replicas: {{ $values.replicaCount }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- toYaml $values.updateStrategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "taskscope.selector" $about | nindent 6 }}
  template:
    metadata:
      {{- include "taskscope.podMetadata" (dict "root" $root "component" .component "labels" $values.podLabels "annotations" $annotations) | nindent 6 }}
    spec:
      {{- include "taskscope.podSpec" (dict "root" $root "component" .component "image" $values.image "container" $container "pod" $pod) | trim | nindent 6 }}
{{- end }}
