{{- define "mes.labels" -}}
{{ include "mes.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mes.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mes.name" -}}
{{ .Values.fullnameOverride }}
{{- end }}

{{- define "mes.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository: name the image of the operator that you built; none is published yet (docs/install.md)" $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}
