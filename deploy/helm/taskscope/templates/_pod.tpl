{{/*
The one pod that everything here runs in: Deployments, Valkey, the hook and the test.

Takes root, component, image (a component's `image` values), container (what differs: args, command, env, ports, probes, mounts,
lifecycle, resources), and pod (volumes, restartPolicy, terminationGracePeriodSeconds, and a component's placement values).
*/}}
{{- define "taskscope.podSpec" -}}
{{- $values := .root.Values }}
{{- $pod := .pod }}
serviceAccountName: {{ include "taskscope.serviceAccountName" .root }}
automountServiceAccountToken: false
# The variables of Services would begin with TASKSCOPE_, as our own do.
enableServiceLinks: false
{{- with concat $values.global.imagePullSecrets $values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.priorityClassName | default $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- with $pod.restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
{{- with $pod.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with merge (deepCopy (default dict $pod.nodeSelector)) (deepCopy $values.nodeSelector) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (default list $pod.tolerations) $values.tolerations | uniq }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "taskscope.image" . | quote }}
    imagePullPolicy: {{ .image.pullPolicy }}
    {{- with .container.command }}
    command:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .container.args }}
    args:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .container.env }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .container.ports }}
    ports:
      {{- range $name, $port := . }}
      - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
      {{- end }}
    {{- end }}
    {{- range $kind, $probe := .container.probes }}
    {{ $kind }}:
      {{- toYaml $probe | nindent 6 }}
    {{- end }}
    {{- with .container.preStopSleepSeconds }}
    lifecycle:
      preStop:
        sleep: {seconds: {{ . }}}
    {{- end }}
    {{- with .container.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- toYaml $values.containerSecurityContext | nindent 6 }}
    {{- with .container.mounts }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with $pod.volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Metadata of a pod. Takes root, component, labels and annotations. */}}
{{- define "taskscope.podMetadata" -}}
labels:
  {{- include "taskscope.podLabels" (dict "root" .root "component" .component "more" .labels) | nindent 2 }}
{{- with merge (deepCopy (default dict .annotations)) (deepCopy .root.Values.podAnnotations) (deepCopy .root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A component's affinity: as given, else rather not two of its pods on one node. Takes root, component and values. */}}
{{- define "taskscope.affinity" -}}
{{- if .values.affinity -}}
{{- toYaml .values.affinity -}}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "taskscope.selector" . | nindent 12 }}
{{- end -}}
{{- end }}

{{/* A component's topology spread: as given, else over zones where that can be. Takes root, component and values. */}}
{{- define "taskscope.spread" -}}
{{- $ours := dict "matchLabels" (include "taskscope.selector" . | fromYaml) -}}
{{- $zones := dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- $found := list -}}
{{- range .values.topologySpreadConstraints | default (list $zones) -}}
{{- $found = append $found (merge (deepCopy .) (hasKey . "labelSelector" | ternary dict (dict "labelSelector" $ours))) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{/* More variables, whose text may be a template. Takes root and values. */}}
{{- define "taskscope.extraEnv" -}}
{{- tpl (toYaml .values.extraEnv) .root -}}
{{- end }}
