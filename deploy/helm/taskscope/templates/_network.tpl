{{/* What policies are made of: which URLs each component has to reach, and what peer a URL leads to. */}}

{{/* By the list of networkPolicy that could name them: {path in the values: URL, or empty where a Secret holds it}. Of result backends, those that are read. */}}
{{- define "taskscope.network.urls" -}}
{{- $brokers := dict -}}
{{- range $index, $source := .Values.sources -}}
{{- range $name := list "brokerUrl" "resultBackend" "redisUrl" -}}
{{- if hasKey (dig "existingSecret" "keys" dict $source) $name -}}
{{- $_ := set $brokers (printf "sources[%d].existingSecret" $index) "" -}}
{{- end -}}
{{- range $place, $url := splitList ";" (get $source $name) -}}
{{- if and $url (not (hasPrefix "unix:" $url)) (or (ne $name "resultBackend") (regexMatch `^rediss?(\+sentinel)?://` $url)) -}}
{{- $path := printf "sources[%d].%s%s" $index $name (empty $place | ternary "" (printf " (%d)" $place)) -}}
{{- $brokers = merge $brokers (include "taskscope.network.servers" (dict "path" $path "url" $url) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $out := dict "brokers" $brokers -}}
{{- if hasPrefix "unix:" .Values.redis.url -}}
{{- else if .Values.redis.url -}}
{{- $_ := set $out "redis" (include "taskscope.network.servers" (dict "path" "redis.url" "url" .Values.redis.url) | fromYaml) -}}
{{- else if .Values.redis.existingSecret.name -}}
{{- $_ := set $out "redis" (dict "redis.existingSecret" "") -}}
{{- end -}}
{{- if .Values.otel.endpoint -}}
{{- $_ := set $out "otlp" (dict "otel.endpoint" .Values.otel.endpoint) -}}
{{- end -}}
{{- if eq .Values.access.mode "oidc" -}}
{{- $_ := set $out "oidc" (dict "access.oidc.issuer" .Values.access.oidc.issuer) -}}
{{- end -}}
{{- if .Values.access.serviceAccounts.enabled -}}
{{- $_ := set $out "apiServer" (dict "access.serviceAccounts.jwksUrl" (.Values.access.serviceAccounts.jwksUrl | default .Values.access.serviceAccounts.issuer)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{/*
What a URL leads to, as {path in the values: URL}. Servers are taken to be where their Sentinels are, at the usual port. Takes path and url.
*/}}
{{- define "taskscope.network.servers" -}}
{{- $out := dict -}}
{{- if contains "+sentinel://" .url -}}
{{- range $place, $host := regexReplaceAll `^[^:]+://(?:[^/?#]*@)?([^/?#]*).*$` .url "${1}" | splitList "," -}}
{{- $address := regexReplaceAll `:\d+$` $host "" -}}
{{- $_ := set $out (printf "%s (Sentinel %d)" $.path $place) (printf "redis://%s%s" $address (regexFind `:\d+$` $host | default ":26379")) -}}
{{- $_ := set $out (printf "%s (server %d)" $.path $place) (printf "redis://%s:6379" $address) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $out .path .url -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{/*
The rule of an egress that a URL needs, empty where none can be made of it: an address is itself, a Service's name
(`broker`, `broker.jobs`, `broker.jobs.svc.cluster.local`, or a pod's behind one, `broker-0.broker.jobs.svc.cluster.local`) is its namespace. The API server is no pod. Takes root and url.
*/}}
{{- define "taskscope.network.peer" -}}
{{- $parts := regexFind `^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?(?:\[[^\]]+\]|[^:/?#]+)(?::\d+)?` .url -}}
{{- $scheme := regexFind `^[a-z]+` $parts -}}
{{- $authority := regexReplaceAll `^[^:]+://(?:[^/@]*@)?` $parts "" -}}
{{- $port := regexFind `:\d+$` $authority | trimPrefix ":" | default (get (dict "redis" "6379" "rediss" "6379" "amqp" "5672" "amqps" "5671" "http" "80" "https" "443") $scheme) -}}
{{- $host := regexReplaceAll `:\d+$` $authority "" | trimPrefix "[" | trimSuffix "]" -}}
{{- $labels := splitList "." (trimSuffix "." $host) -}}
{{- $peer := dict -}}
{{- if or (not $host) (contains "$" $host) (hasPrefix "kubernetes.default" $host) -}}
{{- else if contains ":" $host -}}
{{- $peer = dict "ipBlock" (dict "cidr" (printf "%s/128" $host)) -}}
{{- else if regexMatch `^[0-9.]+$` $host -}}
{{- $peer = dict "ipBlock" (dict "cidr" (printf "%s/32" $host)) -}}
{{- else if or (le (len $labels) 2) (eq (index $labels 2) "svc") -}}
{{- $namespace := eq (len $labels) 1 | ternary .root.Release.Namespace (index (append $labels "") 1) -}}
{{- $peer = dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $namespace)) -}}
{{- else if and (gt (len $labels) 3) (eq (index (append $labels "") 3) "svc") -}}
{{- $peer = dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" (index $labels 2))) -}}
{{- end -}}
{{- if and $peer $port -}}
to:
  - {{ toYaml $peer | nindent 4 | trim }}
ports:
  - {port: {{ $port }}, protocol: TCP}
{{- end -}}
{{- end }}

{{/* The rules of an egress to a list of networkPolicy: what it names, else what its URLs lead to. Takes root and list. */}}
{{- define "taskscope.network.to" -}}
{{- $named := index .root.Values.networkPolicy .list -}}
{{- range $named }}
- {{ include "taskscope.network.rule" (dict "entry" . "protocols" (list "TCP")) | nindent 2 | trim }}
{{- end }}
{{- if not $named -}}
{{- $rules := list -}}
{{- range $url := dig .list dict (include "taskscope.network.urls" .root | fromYaml) | values | uniq | sortAlpha -}}
{{- $rules = append $rules (include "taskscope.network.peer" (dict "root" $.root "url" $url)) -}}
{{- end -}}
{{- range $rules | uniq }}
- {{ nindent 2 . | trim }}
{{- end }}
{{- end -}}
{{- end }}

{{/* A rule of an egress, of {cidr, except, namespaceSelector, podSelector, ports}. Takes entry and protocols. */}}
{{- define "taskscope.network.rule" -}}
{{- $peer := pick .entry "namespaceSelector" "podSelector" -}}
{{- if .entry.cidr -}}
{{- $peer = dict "ipBlock" (pick .entry "cidr" "except") -}}
{{- end -}}
to:
  - {{ toYaml $peer | nindent 4 | trim }}
ports:
{{- range $port := .entry.ports }}
{{- range $protocol := $.protocols }}
  - {port: {{ $port }}, protocol: {{ $protocol }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.network.dns" -}}
{{- range .Values.networkPolicy.dns }}
- {{ include "taskscope.network.rule" (dict "entry" . "protocols" (list "UDP" "TCP")) | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* Taskscope's own Redis: Valkey's pods, or as for brokers. */}}
{{- define "taskscope.network.redis" -}}
{{- if include "taskscope.valkey.enabled" . }}
- {{ include "taskscope.network.pods" (dict "root" . "component" "valkey" "direction" "to" "port" 6379) | nindent 2 | trim }}
{{- else }}
{{- include "taskscope.network.to" (dict "root" . "list" "redis") }}
{{- end }}
{{- end }}

{{/* A rule that leads to, or comes from, pods of a component. Takes root, component, direction (to, from) and port. */}}
{{- define "taskscope.network.pods" -}}
{{ .direction }}:
  - podSelector:
      matchLabels:
        {{- include "taskscope.selector" . | nindent 8 }}
ports:
  - {port: {{ .port }}, protocol: TCP}
{{- end }}

{{/* A rule that lets peers in; none are all. Takes peers and port. */}}
{{- define "taskscope.network.from" -}}
{{- with .peers }}
from:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {port: {{ .port }}, protocol: TCP}
{{- end }}

{{/* A policy. Takes root, name, components (whose pods it is for), ingress and egress (rules, as text). */}}
{{- define "taskscope.network.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{{ include "taskscope.metadata" (dict "root" .root "component" (first .components) "suffix" .name) }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "taskscope.name" .root }}
      app.kubernetes.io/instance: {{ .root.Release.Name }}
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values:
          {{- toYaml .components | nindent 10 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- .ingress | trim | default "[]" | nindent 4 }}
  egress:
    {{- .egress | trim | default "[]" | nindent 4 }}
{{- end }}
