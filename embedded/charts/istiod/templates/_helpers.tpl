{{- define "name" -}}
istiod{{ with .Values.revision }}-{{ . }}{{ end }}
{{- end }}

{{- define "revision" -}}
{{ .Values.revision | default "default" }}
{{- end }}

{{/* Values of istiod itself, from under `pilot` and from the top: the top wins. */}}
{{- define "pilot" -}}
{{ mergeOverwrite (deepCopy .Values.pilot) (pick .Values "hub" "tag" "image" "replicaCount" "autoscaleEnabled" "autoscaleMin" "autoscaleMax" "cpu" "resources" "deploymentLabels" "podLabels" "podAnnotations" "affinity" "env") | toYaml }}
{{- end }}

{{- define "proxy-image" -}}
{{- if contains "/" .Values.global.proxy.image -}}
{{ .Values.global.proxy.image }}
{{- else -}}
{{ .Values.global.hub }}/proxyv2:{{ .Values.global.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Names one state of the injector: a pod that carries it waits for the policy that was rendered with it. */}}
{{- define "injector" -}}
{{ list (include "proxy-image" .) (include "revision" .) (toYaml .Values.global) .Release.Namespace | join " " | sha256sum | trunc 12 }}
{{- end }}

{{- define "selector" -}}
app: istiod
{{- if .Values.revision }}
istio.io/rev: {{ .Values.revision | quote }}
{{- else }}
istio: pilot
{{- end }}
{{- end }}

{{- define "labels" -}}
app: istiod
istio: {{ .Values.revision | empty | ternary "pilot" "istiod" }}
istio.io/rev: {{ include "revision" . | quote }}
operator.istio.io/component: Pilot
release: {{ .Release.Name }}
{{- end }}
