{{- define "touchline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "touchline" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-touchline" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* (dict "root" $ "component" "operator") */ -}}
{{- define "touchline.selector" -}}
app.kubernetes.io/name: touchline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "touchline.labels" -}}
{{ include "touchline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* (dict "root" $ "name" "operator") */ -}}
{{- define "touchline.image" -}}
{{- $images := .root.Values.images -}}
{{- index $images .name | default (printf "%s/touchline-%s:%s" $images.registry .name ($images.tag | default .root.Chart.AppVersion)) -}}
{{- end }}

{{- /* Full names: pods of other namespaces may ask too. */ -}}
{{- define "touchline.redisURL" -}}
{{- $role := index .root.Values.redis .role -}}
{{- $role.url | default (printf "redis://%s-%s.%s.svc:6379/0" (include "touchline.fullname" .root) .role .root.Release.Namespace) -}}
{{- end }}

{{- /* The Secret with a Redis' password: the chart's own, yours, or none. */ -}}
{{- define "touchline.redisSecret" -}}
{{- $role := index .root.Values.redis .role -}}
{{- if and $role.existingSecret (not $role.url) -}}
{{- fail (printf "redis.%s.existingSecret is for a Redis of yours: set redis.%s.url too, or leave both empty" .role .role) -}}
{{- end -}}
{{- if $role.url -}}{{ $role.existingSecret }}{{- else -}}{{ printf "%s-%s-password" (include "touchline.fullname" .root) .role }}{{- end -}}
{{- end }}

{{- /* Made once and kept by upgrades; its second key is the part of Redis' configuration that says it. */ -}}
{{- define "touchline.redisPassword" -}}
{{- $name := include "touchline.redisSecret" . -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace $name -}}
{{- $password := $found | dig "data" "password" "" | b64dec | default (randAlphaNum 32) -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "touchline.labels" (dict "root" .root "component" .role) | nindent 4 }}
type: Opaque
stringData:
  password: {{ $password }}
  redis.conf: |
    requirepass {{ $password }}
{{- end }}

{{- define "touchline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* (dict "uid" 65532) */ -}}
{{- define "touchline.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .uid }}
runAsGroup: {{ .uid }}
fsGroup: {{ .uid }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "touchline.placement" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The id of a simulated account follows from its policy's name, so that nothing has to remember it. */ -}}
{{- define "touchline.simulatorKeyID" -}}
{{- $hex := printf "%s/%s/%s" .root.Release.Namespace (include "touchline.fullname" .root) .policy | sha256sum -}}
{{- printf "%s-%s-4%s-8%s-%s" (substr 0 8 $hex) (substr 8 12 $hex) (substr 12 15 $hex) (substr 15 18 $hex) (substr 18 30 $hex) -}}
{{- end }}

{{- /* What both Redis containers share. Loading a log is alive (it answers) but not ready (it answers with an error). */ -}}
{{- /* (dict "secret" name "resources" values) */ -}}
{{- define "touchline.redisContainer" -}}
env:
  # What redis-cli logs in with: here in the probes, and for whoever may exec into the pod.
  - name: REDISCLI_AUTH
    valueFrom:
      secretKeyRef: {name: {{ .secret }}, key: password}
ports:
  - name: redis
    containerPort: 6379
livenessProbe:
  exec: {command: [redis-cli, ping]}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  exec: {command: [redis-cli, -e, ping]}
  periodSeconds: 5
  timeoutSeconds: 3
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "touchline.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: data
    mountPath: /data
  - name: password
    mountPath: /etc/redis
    readOnly: true
{{- end }}

{{- define "touchline.policyMeta" -}}
name: {{ .full }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "touchline.labels" (dict "root" .root "component" "network") | nindent 2 }}
{{- end }}

{{- /* Where a rule of a NetworkPolicy reaches; no CIDRs: anywhere. */ -}}
{{- define "touchline.cidrs" -}}
{{- with . }}
to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
{{- end }}
{{- end }}
