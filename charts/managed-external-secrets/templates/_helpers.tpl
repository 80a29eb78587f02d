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

{{- /* Keys of labels and annotations that make other controllers do something with a Secret. The same expression stands in
the schema of targets[].labels and annotations; tests hold the two together. */}}
{{- define "mes.actedUpon" -}}
^([a-z0-9.-]+[.])?(managed-secrets[.]io|kubernetes[.]io|k8s[.]io|x-k8s[.]io|argoproj[.]io|emberstack[.]com|mittwald[.]de|appscode[.]com|helm[.]sh|cert-manager[.]io|external-secrets[.]io|fluxcd[.]io|cattle[.]io|jenkins[.]io|konghq[.]com|tekton[.]dev|crossplane[.]io|bitnami[.]com|openshift[.]io)/
{{- end }}
