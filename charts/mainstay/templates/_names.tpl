{{/* The name of every object. 50 characters leave room for what stands behind it. */}}
{{- define "mainstay.name" -}}
{{- .Values.fullnameOverride | default (printf "%s-operator" (trunc 41 .Release.Name | trimSuffix "-")) -}}
{{- end -}}

{{/* The labels by which the operator's pods are selected; they never change. */}}
{{- define "mainstay.selector" -}}
app.kubernetes.io/name: mainstay-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mainstay.labels" -}}
{{ include "mainstay.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: mainstay
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "mainstay.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "mainstay.name" .) -}}
{{- end -}}

{{/* An image: (list $ .Values.image.operator). A digest says everything; a tag beside it would only mislead. */}}
{{- define "mainstay.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* What PodSecurity `restricted` asks of a pod, and of a container. The user is the image's own number. */}}
{{- define "mainstay.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mainstay.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
