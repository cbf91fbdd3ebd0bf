{{/*
What can be wrong with the values that no schema tells. Everything is said at once, before anything is made: each line names the value and what would be
right. Every check yields lines; empty ones are dropped.
*/}}
{{- define "taskscope.checks" -}}
{{- $found := list -}}
{{- range $check := list "sources" "redis" "access" "oidc" "serviceAccounts" "reached" "workloads" "monitoring" "network" -}}
{{- range $line := include (printf "taskscope.check.%s" $check) $ | splitList "\n" -}}
{{- with trim $line -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $found -}}
{{- fail (printf "\n\nThe values cannot be used:\n  - %s\n" (join "\n  - " $found)) -}}
{{- end -}}
{{- end }}

{{- define "taskscope.check.sources" -}}
{{- if not .Values.sources }}
sources: is empty: there is nothing to watch (add one: {name: archive, engine: celery, brokerUrl: redis://broker.jobs:6379/0})
{{- end }}
{{- $names := list }}
{{- range $index, $source := .Values.sources }}
{{- $path := printf "sources[%d] (%s)" $index $source.name }}
{{- if has $source.name $names }}
{{ $path }}: the name is given twice (each source needs a name of its own)
{{- end }}
{{- $names = append $names $source.name }}
{{- include "taskscope.check.source" (dict "path" $path "source" $source) }}
{{- end }}
{{- end }}

{{- define "taskscope.check.source" -}}
{{- $source := .source }}
{{- $keys := dig "existingSecret" "keys" dict $source }}
{{- $celery := list "brokerUrl" "resultBackend" "enableEvents" "inspectSeconds" "queueSeconds" "queues" "globalKeyprefix" "resultKeyprefix" "fanoutPrefix" "fanoutPatterns" "eventExchange" "controlExchange" "prioritySteps" "prioritySeparator" }}
{{- $rq := list "redisUrl" "keyPrefix" "pollSeconds" "reconcileSeconds" "tracking" }}
{{- $address := eq $source.engine "celery" | ternary "brokerUrl" "redisUrl" }}
{{- range $name := eq $source.engine "celery" | ternary $rq $celery }}
{{- if or (hasKey $source $name) (hasKey $keys $name) }}
{{ $.path }}.{{ $name }}: is none of a source of engine {{ $source.engine }} (take it out, or change the engine)
{{- end }}
{{- end }}
{{- if not (or (hasKey $source $address) (hasKey $keys $address)) }}
{{ $.path }}.{{ $address }}: is missing (say it, or existingSecret: {name: SECRET, keys: { {{- $address }}: KEY}} where it holds a password)
{{- end }}
{{- range $name := list "brokerUrl" "resultBackend" "redisUrl" }}
{{- if and (hasKey $source $name) (hasKey $keys $name) }}
{{ $.path }}.{{ $name }}: is given twice, here and by existingSecret.keys.{{ $name }} (take one out)
{{- end }}
{{- with include "taskscope.urlProblem" (get $source $name) }}
{{ $.path }}.{{ $name }}: {{ . }}
{{- end }}
{{- if include "taskscope.holdsPassword" (get $source $name) }}
{{ $.path }}.{{ $name }}: holds a password, which everybody could read in the ConfigMap (put the URL into a Secret, and name it: existingSecret: {name: SECRET, keys: { {{- $name }}: KEY}})
{{- end }}
{{- end }}
{{- end }}

{{/* What keeps a URL, or one of several, from leading to a server; empty where nothing does, or where variables or a socket are in it. */}}
{{- define "taskscope.urlProblem" -}}
{{- $found := list -}}
{{- range splitList ";" (toString .) -}}
{{- if and (regexMatch `^(rediss?|amqps?)://` .) (not (contains "${" .)) -}}
{{- if not (regexMatch `^[a-z]+://([^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^][/:?#@]+)(:0*[1-9][0-9]{0,4})?([/?].*)?$` .) -}}
{{- $found = append $found "has no host, or a port that is no number (redis://redis.jobs:6379/0)" -}}
{{- else if not (regexMatch `^(amqps?://.*|rediss?://[^/?]*(/[0-9]*)?(\?.*)?)$` .) -}}
{{- $found = append $found "names a database that is not a number (redis://redis.jobs:6379/0)" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (contains "+sentinel://" (toString .)) (not (contains "${" .)) -}}
{{- $host := `(\[[0-9A-Fa-f:.]+\]|[^][/:?#@,]+)(:0*[1-9][0-9]{0,4})?` -}}
{{- if not (regexMatch (printf `^rediss?\+sentinel://([^/?#]*@)?%s(,%s)*/([^/?#@]*[^/?#@0-9][^/?#@]*(/[0-9]*)?|[^/?#@]+/[0-9]+)(\?.*)?$` $host $host) .) -}}
{{- $found = append $found "names no Sentinels, or not what they call the primary (redis+sentinel://sentinel-0.data:26379,sentinel-1.data:26379/mymaster/0)" -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | join "; " -}}
{{- end }}

{{/* Whether a URL, or one of several, has a password that is no ${VARIABLE}. */}}
{{- define "taskscope.holdsPassword" -}}
{{- range splitList ";" (toString .) -}}
{{- if or (regexMatch `://[^/@]*:[^/@$][^/@]*@` .) (regexMatch `[?&](sentinel_)?password=[^&$]` .) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{- define "taskscope.check.redis" -}}
{{- if and .Values.redis.url .Values.redis.existingSecret.name }}
redis.url: is given, and redis.existingSecret.name too (take one out)
{{- end }}
{{- with include "taskscope.urlProblem" .Values.redis.url }}
redis.url: {{ . }}
{{- end }}
{{- if include "taskscope.holdsPassword" .Values.redis.url }}
redis.url: holds a password, which everybody could read in the ConfigMap (put the URL into a Secret, and name it: redis.existingSecret: {name: SECRET, key: url})
{{- end }}
{{- if not (or .Values.redis.url .Values.redis.existingSecret.name .Values.valkey.enabled) }}
redis.url: is missing, and valkey.enabled is false (say redis.url or redis.existingSecret.name, or valkey.enabled: true to try it out)
{{- end }}
{{- end }}

{{- define "taskscope.check.access" -}}
{{- $access := .Values.access }}
{{- if and $access.tokens.existingSecret $access.tokens.generate }}
access.tokens.generate: is true, and access.tokens.existingSecret is given (take one out: a token can only be added to a Secret of the chart's)
{{- end }}
{{- if and (eq $access.mode "token") (not (include "taskscope.tokens.secret" .)) }}
access.tokens.existingSecret: is missing: the mode token needs tokens (name a Secret, or leave access.tokens.generate out)
{{- end }}
{{- if and (eq $access.mode "proxy") (not $access.proxy.addresses) }}
access.proxy.addresses: is missing: the mode proxy needs it (the proxy's addresses or networks: [10.42.7.0/24])
{{- end }}
{{- if and (ne $access.mode "proxy") $access.proxy.addresses }}
access.proxy.addresses: is given, but access.mode is {{ $access.mode }} (mode: proxy, or take it out)
{{- end }}
{{- if and (not (has $access.mode (list "proxy" "oidc"))) $access.grants }}
access.grants: are for people of a proxy or provider, but access.mode is {{ $access.mode }} (mode: proxy or oidc, or take them out)
{{- end }}
{{- if and (eq $access.mode "none") (or $access.tokens.existingSecret $access.tokens.generate) }}
access.tokens: are given, but access.mode is none, so that nobody is asked (mode: token, or take them out)
{{- end }}
{{- range $index, $grant := $access.grants }}
{{- if eq (hasKey $grant "group") (hasKey $grant "user") }}
access.grants[{{ $index }}]: needs either a group or a user ({group: media-team, role: viewer})
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.check.oidc" -}}
{{- $oidc := .Values.access.oidc }}
{{- if eq .Values.access.mode "oidc" }}
{{- range $name := list "issuer" "clientId" "publicUrl" }}
{{- if not (index $oidc $name) }}
access.oidc.{{ $name }}: is missing: the mode oidc needs it (docs/oidc.md)
{{- end }}
{{- end }}
{{- if $oidc.publicUrl }}
{{- $path := regexReplaceAll `^https?://[^/]+` (trimSuffix "/" $oidc.publicUrl) "" }}
{{- if ne $path .Values.basePath }}
access.oidc.publicUrl: has the path {{ default "/" $path }}, but basePath is {{ default "empty" .Values.basePath }} (they have to be the same)
{{- end }}
{{- end }}
{{- else if $oidc.issuer }}
access.oidc.issuer: is given, but access.mode is {{ .Values.access.mode }} (mode: oidc, or take it out)
{{- end }}
{{- end }}

{{- define "taskscope.check.serviceAccounts" -}}
{{- $accounts := .Values.access.serviceAccounts }}
{{- if $accounts.enabled }}
{{- if eq .Values.access.mode "none" }}
access.serviceAccounts.enabled: counts beside a mode that asks who somebody is (access.mode: token, proxy or oidc)
{{- end }}
{{- if not $accounts.grants }}
access.serviceAccounts.grants: is empty: no account would have a right ([{namespace: jobs, name: "*", role: viewer}])
{{- end }}
{{- range $name := list "caFile" "tokenFile" }}
{{- if and $accounts.projectedToken (hasKey $accounts.options $name) }}
access.serviceAccounts.options.{{ $name }}: is given, and access.serviceAccounts.projectedToken is on (projectedToken: false, or take it out)
{{- end }}
{{- end }}
{{- else if $accounts.grants }}
access.serviceAccounts.grants: are given, but access.serviceAccounts.enabled is false (enabled: true, or take them out)
{{- end }}
{{- end }}

{{- define "taskscope.check.reached" -}}
{{- if regexMatch `://|/$` .Values.global.imageRegistry }}
global.imageRegistry: is {{ .Values.global.imageRegistry }}, but an image's name begins with a host, and a path where there is one (registry.example.org/platform)
{{- end }}
{{- range $index, $host := .Values.ingress.hosts }}
{{- if regexMatch `[:/\s]` $host }}
ingress.hosts[{{ $index }}]: is {{ $host }}, but a host is a name alone (tasks.example.org; the path is basePath)
{{- end }}
{{- end }}
{{- range $path, $networks := dict "api.trustedProxies" .Values.api.trustedProxies "access.proxy.addresses" .Values.access.proxy.addresses }}
{{- range $network := $networks }}
{{- $bits := contains ":" $network | ternary 128 32 }}
{{- if and (contains "/" $network) (gt (regexFind `[0-9]+$` $network | int) $bits) }}
{{ $path }}: {{ $network }} has a prefix of more than {{ $bits }} bits (10.42.0.0/16)
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: is empty: no Gateway would serve it ([{name: public, namespace: gateways}])
{{- end }}
{{- range $index, $tls := .Values.ingress.tls }}
{{- range $host := $tls.hosts }}
{{- if not (has $host $.Values.ingress.hosts) }}
ingress.tls[{{ $index }}].hosts: {{ $host }} is none of ingress.hosts (add it there, or take it out)
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.check.workloads" -}}
{{- range $component := list "collector" "api" "web" }}
{{- $values := index $.Values $component }}
{{- $scaling := default dict $values.autoscaling }}
{{- $scales := dig "enabled" false $scaling }}
{{- $least := $scales | ternary $scaling.minReplicas $values.replicaCount | int }}
{{- if and $scales (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{ $component }}.autoscaling.minReplicas: is {{ $scaling.minReplicas }}, more than maxReplicas, {{ $scaling.maxReplicas }} (raise maxReplicas)
{{- end }}
{{- if and $scales (not (or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage $scaling.metrics)) }}
{{ $component }}.autoscaling: has nothing to aim for (targetCPUUtilizationPercentage: 75)
{{- end }}
{{- if and (not (kindIs "invalid" $values.pdb.minAvailable)) (kindIs "float64" $values.pdb.minAvailable) $values.pdb.enabled (ge (int $values.pdb.minAvailable) $least) }}
{{ $component }}.pdb.minAvailable: is {{ $values.pdb.minAvailable }} of {{ $least }} pods, so that no node could be drained (fewer, or more pods)
{{- end }}
{{- if ge (int $values.preStopSleepSeconds) (int $values.terminationGracePeriodSeconds) }}
{{ $component }}.terminationGracePeriodSeconds: is {{ $values.terminationGracePeriodSeconds }}, but preStopSleepSeconds alone takes {{ $values.preStopSleepSeconds }} (make it longer)
{{- end }}
{{- end }}
{{- end }}

{{- define "taskscope.check.monitoring" -}}
{{- if regexMatch `:4317(/|$)` .Values.otel.endpoint }}
otel.endpoint: names port 4317, which is gRPC's (http/protobuf is spoken: http://otel-collector.monitoring:4318)
{{- end }}
{{- range $kind := list "serviceMonitor" "podMonitor" "prometheusRule" }}
{{- if and (index $.Values.metrics $kind).enabled (not $.Values.metrics.enabled) }}
metrics.{{ $kind }}.enabled: is true, but metrics.enabled is false, so that nothing is served (metrics.enabled: true)
{{- end }}
{{- end }}
{{- end }}

{{/* An address that no policy can be made of has to be named. */}}
{{- define "taskscope.check.network" -}}
{{- $ports := dict "otlp" "4318" "oidc" "443" }}
{{- if .Values.networkPolicy.enabled }}
{{- range $list, $urls := include "taskscope.network.urls" . | fromYaml }}
{{- if not (index $.Values.networkPolicy $list) }}
{{- range $path, $url := $urls }}
{{- if not (include "taskscope.network.peer" (dict "root" $ "url" $url)) }}
{{- if and (eq $list "apiServer") (contains "://kubernetes.default" $url) }}
networkPolicy.apiServer: is empty, and {{ $path }} is the API server, which is no pod, so that no policy can be made of it (kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes shows its addresses: [{cidr: 10.1.2.3/32, ports: [6443]}])
{{- else }}
networkPolicy.{{ $list }}: is empty, and {{ $path }} {{ empty $url | ternary "is in a Secret" "names an address outside of the cluster" }}, so that no policy can be made of it ([{cidr: 10.1.2.3/32, ports: [{{ get $ports $list | default "6379" }}]}])
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
