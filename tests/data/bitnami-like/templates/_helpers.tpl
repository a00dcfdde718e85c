{{- define "shop.base" -}}{{ default .Chart.Name .Values.nameOverride }}{{- end }}
{{- define "shop.name" -}}
{{- $base := include "shop.base" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains $base .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ $base }}{{ end -}}
{{- end }}
{{- define "shop.match" -}}
app.kubernetes.io/name: {{ include "shop.base" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "shop.labels" -}}
{{ include "shop.match" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "shop.preset" -}}
{{- $presets := dict
  "nano" (dict "requests" (dict "cpu" "100m" "memory" "128Mi") "limits" (dict "cpu" "150m" "memory" "192Mi"))
  "micro" (dict "requests" (dict "cpu" "250m" "memory" "256Mi") "limits" (dict "cpu" "375m" "memory" "384Mi"))
  "small" (dict "requests" (dict "cpu" "500m" "memory" "512Mi") "limits" (dict "cpu" "750m" "memory" "768Mi"))
  "medium" (dict "requests" (dict "cpu" "500m" "memory" "1024Mi") "limits" (dict "cpu" "750m" "memory" "1536Mi"))
  "large" (dict "requests" (dict "cpu" "1.0" "memory" "2048Mi") "limits" (dict "cpu" "1.5" "memory" "3072Mi"))
  "xlarge" (dict "requests" (dict "cpu" "1.0" "memory" "3072Mi") "limits" (dict "cpu" "3.0" "memory" "6144Mi"))
  "2xlarge" (dict "requests" (dict "cpu" "1.0" "memory" "3072Mi") "limits" (dict "cpu" "6.0" "memory" "12288Mi")) -}}
{{- $chosen := get $presets .Values.resourcesPreset -}}
{{- range $list, $scratch := dict "requests" "50Mi" "limits" "2Gi" }}
{{ $list }}: {{ merge (dict "ephemeral-storage" $scratch) (get $chosen $list) | toJson }}
{{- end }}
{{- end }}
{{- define "shop.pods" -}}
metadata:
  labels: {{- include "shop.labels" . | nindent 4 }}
spec:
  {{- if .Values.affinity }}
  affinity: {{- toYaml .Values.affinity | nindent 4 }}
  {{- else if eq .Values.podAntiAffinityPreset "hard" }}
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "shop.match" . | nindent 14 }}
  {{- else if eq .Values.podAntiAffinityPreset "soft" }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 1
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "shop.match" . | nindent 16 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.terminationGracePeriodSeconds }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  containers:
    - name: shop
      image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
      ports:
        - {name: http, containerPort: {{ .Values.containerPorts.http }}}
      {{- if .Values.resources }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      {{- else if ne .Values.resourcesPreset "none" }}
      resources: {{- include "shop.preset" . | nindent 8 }}
      {{- end }}
{{- end }}
