{{/* taskscope.yaml, of the values; and the files that it names, which come from Secrets. */}}

{{- define "taskscope.folder" -}}/etc/taskscope{{- end }}

{{/* A mapping whose keys are in camelCase, as the settings have them. What is empty is left out. */}}
{{- define "taskscope.snake" -}}
{{- $out := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $out (snakecase $key) $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{/* {file: PATH} for a file below the folder. */}}
{{- define "taskscope.file" -}}
file: {{ include "taskscope.folder" . }}/{{ . }}
{{- end }}

{{- define "taskscope.config.sources" -}}
{{- $sources := list -}}
{{- range $source := .Values.sources -}}
{{- $entry := include "taskscope.snake" (omit $source "existingSecret") | fromYaml -}}
{{- range $address, $key := dig "existingSecret" "keys" dict $source -}}
{{- $path := printf "secrets/%s/%s" $source.name $key -}}
{{- $_ := set $entry (snakecase $address) (include "taskscope.file" $path | fromYaml) -}}
{{- end -}}
{{- $sources = append $sources $entry -}}
{{- end -}}
{{- toYaml $sources -}}
{{- end }}

{{- define "taskscope.config.redis" -}}
{{- $url := .Values.redis.url -}}
{{- if not $url -}}
{{- $url = include "taskscope.file" "redis/url" | fromYaml -}}
{{- end -}}
{{- toYaml (dict "url" $url "prefix" .Values.redis.prefix) -}}
{{- end }}

{{- define "taskscope.config.oidc" -}}
{{- $oidc := .Values.access.oidc -}}
{{- $out := include "taskscope.snake" (merge (dict "issuer" $oidc.issuer "clientId" $oidc.clientId "publicUrl" $oidc.publicUrl) $oidc.options) | fromYaml -}}
{{- if $oidc.clientSecret.existingSecret -}}
{{- $_ := set $out "client_secret" (include "taskscope.file" "oidc/client-secret" | fromYaml) -}}
{{- end -}}
{{- if $oidc.ca.existingConfigMap -}}
{{- $_ := set $out "ca_file" (printf "%s/oidc/ca.crt" (include "taskscope.folder" .)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{- define "taskscope.config.serviceAccounts" -}}
{{- $accounts := .Values.access.serviceAccounts -}}
{{- $out := include "taskscope.snake" (merge (dict "issuer" $accounts.issuer "audience" $accounts.audience "grants" $accounts.grants) $accounts.options) | fromYaml -}}
{{- $_ := set $out "jwks_url" (empty $accounts.jwksUrl | ternary nil $accounts.jwksUrl) -}}
{{- if $accounts.projectedToken -}}
{{- $_ := set $out "token_file" (printf "%s/cluster/token" (include "taskscope.folder" .)) -}}
{{- $_ := set $out "ca_file" (printf "%s/cluster/ca.crt" (include "taskscope.folder" .)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{- define "taskscope.config.access" -}}
{{- $access := .Values.access -}}
{{- $out := dict "mode" $access.mode -}}
{{- if include "taskscope.tokens.secret" . -}}
{{- $_ := set $out "tokens" (include "taskscope.file" "access/tokens.yaml" | fromYaml) -}}
{{- end -}}
{{- range $name := list "grants" "default" "throttle" -}}
{{- with index $access $name -}}
{{- $_ := set $out $name . -}}
{{- end -}}
{{- end -}}
{{- if eq $access.mode "oidc" -}}
{{- $_ := set $out "oidc" (include "taskscope.config.oidc" . | fromYaml) -}}
{{- end -}}
{{- if eq $access.mode "proxy" -}}
{{- $_ := set $out "proxy" (include "taskscope.snake" (merge (dict "addresses" $access.proxy.addresses) $access.proxy.options) | fromYaml) -}}
{{- end -}}
{{- if $access.serviceAccounts.enabled -}}
{{- $_ := set $out "service_accounts" (include "taskscope.config.serviceAccounts" . | fromYaml) -}}
{{- end -}}
{{- if ne $access.mode "none" -}}
{{- $_ := set $out "session" (dict "seconds" $access.session.seconds "key" (include "taskscope.file" "access/session-key" | fromYaml)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{- define "taskscope.config.api" -}}
{{- $out := dict -}}
{{- with .Values.basePath -}}
{{- $_ := set $out "base_path" . -}}
{{- end -}}
{{- with .Values.api.trustedProxies -}}
{{- $_ := set $out "trusted_proxies" . -}}
{{- end -}}
{{- with .Values.api.allowedOrigins -}}
{{- $_ := set $out "allowed_origins" . -}}
{{- end -}}
{{- with .Values.api.traceUrl -}}
{{- $_ := set $out "trace_url" . -}}
{{- end -}}
{{- with .Values.api.push -}}
{{- $_ := set $out "push" (include "taskscope.snake" . | fromYaml) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{/* What collectors and apis both read. */}}
{{- define "taskscope.config.shared" -}}
{{- $out := dict "lease_seconds" .Values.leaseSeconds "log_level" .Values.logLevel -}}
{{- $_ := set $out "sources" (include "taskscope.config.sources" . | fromYamlArray) -}}
{{- $_ := set $out "redis" (include "taskscope.config.redis" . | fromYaml) -}}
{{- with .Values.kinds -}}
{{- $_ := set $out "kinds" . -}}
{{- end -}}
{{- with .Values.retention -}}
{{- $_ := set $out "retention" (include "taskscope.snake" . | fromYaml) -}}
{{- end -}}
{{- with .Values.redaction -}}
{{- $_ := set $out "redaction" (include "taskscope.snake" . | fromYaml) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end }}

{{- define "taskscope.config" -}}
{{- $out := include "taskscope.config.shared" . | fromYaml -}}
{{- $_ := set $out "access" (include "taskscope.config.access" . | fromYaml) -}}
{{- $_ := set $out "api" (include "taskscope.config.api" . | fromYaml) -}}
{{- toYaml $out -}}
{{- end }}

{{/* ------------------------------------------------------------------------------------------- the Secrets behind it */}}

{{/* The Secret with the URL of our own Redis, as name and key; empty where the URL is in the values. */}}
{{- define "taskscope.redis.secret" -}}
{{- if .Values.redis.existingSecret.name -}}
{{- toYaml (dict "name" .Values.redis.existingSecret.name "key" .Values.redis.existingSecret.key) -}}
{{- else if include "taskscope.valkey.enabled" . -}}
{{- toYaml (dict "name" (printf "%s-valkey" (include "taskscope.fullname" .)) "key" "url") -}}
{{- end -}}
{{- end }}

{{- define "taskscope.valkey.enabled" -}}
{{- if and .Values.valkey.enabled (not .Values.redis.url) (not .Values.redis.existingSecret.name) -}}true{{- end -}}
{{- end }}

{{- define "taskscope.tokens.generated" -}}
{{- $tokens := .Values.access.tokens -}}
{{- if kindIs "invalid" $tokens.generate -}}
{{- if and (eq .Values.access.mode "token") (not $tokens.existingSecret) -}}true{{- end -}}
{{- else if $tokens.generate -}}true{{- end -}}
{{- end }}

{{/* The Secret with the hashes of tokens; empty where no tokens are taken. */}}
{{- define "taskscope.tokens.secret" -}}
{{- if .Values.access.tokens.existingSecret -}}
{{- .Values.access.tokens.existingSecret -}}
{{- else if include "taskscope.tokens.generated" . -}}
{{- printf "%s-tokens" (include "taskscope.fullname" .) -}}
{{- end -}}
{{- end }}

{{- define "taskscope.session.secret" -}}
{{- .Values.access.session.existingSecret | default (printf "%s-session" (include "taskscope.fullname" .)) -}}
{{- end }}

{{/* ------------------------------------------------------------------------- one volume at /etc/taskscope for each service */}}

{{/*
One file of a Secret. Nobody's start waits for it: what needs it says that it is missing. But a pod that cannot do without it (required)
waits until it is there, instead of ending again and again. Takes name, key, path and required.
*/}}
{{- define "taskscope.secretFile" -}}
secret:
  name: {{ .name }}
  optional: {{ not .required }}
  items:
    - {key: {{ .key | quote }}, path: {{ .path | quote }}}
{{- end }}

{{- define "taskscope.volume.shared" -}}
- configMap:
    name: {{ include "taskscope.fullname" . }}
{{- with include "taskscope.redis.secret" . | fromYaml }}
- {{ include "taskscope.secretFile" (dict "name" .name "key" .key "path" "redis/url") | nindent 2 | trim }}
{{- end }}
{{- end }}

{{- define "taskscope.volume.collector" -}}
{{ include "taskscope.volume.shared" . }}
{{- range $source := .Values.sources }}
{{- range $key := dig "existingSecret" "keys" dict $source | values | uniq | sortAlpha }}
- {{ include "taskscope.secretFile" (dict "name" $source.existingSecret.name "key" $key "path" (printf "secrets/%s/%s" $source.name $key)) | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.volume.api" -}}
{{- $access := .Values.access }}
{{ include "taskscope.volume.shared" . }}
{{- with include "taskscope.tokens.secret" . }}
- {{ include "taskscope.secretFile" (dict "name" . "key" $access.tokens.key "path" "access/tokens.yaml") | nindent 2 | trim }}
{{- end }}
{{- if ne $access.mode "none" }}
- {{ include "taskscope.secretFile" (dict "name" (include "taskscope.session.secret" .) "key" $access.session.key "path" "access/session-key" "required" true) | nindent 2 | trim }}
{{- end }}
{{- if eq $access.mode "oidc" }}
{{- with $access.oidc.clientSecret.existingSecret }}
- {{ include "taskscope.secretFile" (dict "name" . "key" $access.oidc.clientSecret.key "path" "oidc/client-secret") | nindent 2 | trim }}
{{- end }}
{{- with $access.oidc.ca.existingConfigMap }}
- configMap:
    name: {{ . }}
    optional: true
    items:
      - {key: {{ $access.oidc.ca.key | quote }}, path: oidc/ca.crt}
{{- end }}
{{- end }}
{{- if and $access.serviceAccounts.enabled $access.serviceAccounts.projectedToken }}
- serviceAccountToken: {path: cluster/token, expirationSeconds: 3600}
- configMap:
    name: kube-root-ca.crt
    items:
      - {key: ca.crt, path: cluster/ca.crt}
{{- end }}
{{- end }}

{{/* Volumes and mounts of collector and api. Takes the sources of the projected volume. */}}
{{- define "taskscope.volumes" -}}
volumes:
  - name: taskscope
    projected:
      defaultMode: 0440
      sources:
        {{- . | nindent 8 }}
  - name: tmp
    emptyDir: {}
mounts:
  - {name: taskscope, mountPath: /etc/taskscope, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}
