{{/* Name of a component's objects: the bare component name, or <fullnameOverride>-<component>. */}}
{{- define "aurelius.componentName" -}}
{{- with .root.Values.fullnameOverride -}}{{ . }}-{{ end -}}{{ .name }}
{{- end }}

{{- define "aurelius.chartName" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "aurelius.selectorLabels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "aurelius.labels" -}}
{{ include "aurelius.selectorLabels" . }}
app.kubernetes.io/part-of: {{ include "aurelius.chartName" .root }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Prefer nodes that do not run a pod of the same component. */}}
{{- define "aurelius.antiAffinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "aurelius.selectorLabels" . | nindent 12 }}
{{- end }}

{{/* Pods restart when configuration or secrets change. */}}
{{- define "aurelius.checksums" -}}
checksum/config: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
checksum/secret: {{ include (print .Template.BasePath "/secret.yaml") . | sha256sum }}
{{- end }}

{{/* requests/limits of a component; a GPU stands in both, as Kubernetes demands of extended resources. */}}
{{- define "aurelius.resources" -}}
requests:
  cpu: {{ .resources.requests.cpu | quote }}
  memory: {{ .resources.requests.memory }}
  {{- if (.gpu).enabled }}
  nvidia.com/gpu: {{ .gpu.count }}
  {{- end }}
limits:
  cpu: {{ .resources.limits.cpu | quote }}
  memory: {{ .resources.limits.memory }}
  {{- if (.gpu).enabled }}
  nvidia.com/gpu: {{ .gpu.count }}
  {{- end }}
{{- end }}

{{/* Deployment of one of the platform's own services. Arguments: root, name, values. */}}
{{- define "aurelius.deployment" -}}
{{- $v := .values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  {{- if not $v.autoscaling.enabled }}
  replicas: {{ $v.replicaCount }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "aurelius.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      annotations:
        {{- include "aurelius.checksums" .root | nindent 8 }}
      labels:
        {{- include "aurelius.labels" . | nindent 8 }}
    spec:
      serviceAccountName: aurelius
      terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
      securityContext:
        {{- toYaml .root.Values.podSecurityContext | nindent 8 }}
      {{- with $v.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        {{- if $v.affinity }}
        {{- toYaml $v.affinity | nindent 8 }}
        {{- else }}
        {{- include "aurelius.antiAffinity" . | nindent 8 }}
        {{- end }}
      containers:
        - name: {{ .name }}
          image: "{{ $v.image.repository }}:{{ $v.image.tag }}"
          imagePullPolicy: {{ .root.Values.global.imagePullPolicy }}
          {{- with $v.concurrency }}
          args: ["--concurrency={{ . }}"]
          {{- end }}
          ports:
            {{- range $v.ports }}
            - name: {{ .name }}
              containerPort: {{ .port }}
            {{- end }}
          envFrom:
            - configMapRef:
                name: aurelius-config
            - secretRef:
                name: aurelius-secrets
          livenessProbe:
            httpGet:
              path: /health/live
              port: {{ $v.probes.port }}
            initialDelaySeconds: {{ $v.probes.livenessInitialDelaySeconds | default 30 }}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet:
              path: /health/ready
              port: {{ $v.probes.port }}
            initialDelaySeconds: {{ $v.probes.initialDelaySeconds }}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 3
          resources:
            {{- include "aurelius.resources" $v | nindent 12 }}
          securityContext:
            {{- toYaml .root.Values.securityContext | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- if ($v.persistence).enabled }}
            - name: data
              mountPath: {{ $v.persistence.mountPath }}
            {{- end }}
      volumes:
        - name: tmp
          {{- if ($v.persistence).scratchSize }}
          emptyDir:
            sizeLimit: {{ $v.persistence.scratchSize }}
          {{- else }}
          emptyDir: {}
          {{- end }}
        {{- if ($v.persistence).enabled }}
        - name: data
          persistentVolumeClaim:
            claimName: {{ $v.persistence.claimName }}
        {{- end }}
{{- end }}

{{/* Service in front of a component. Arguments: root, name, values. */}}
{{- define "aurelius.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .values.headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "aurelius.selectorLabels" . | nindent 4 }}
  ports:
    {{- range .values.ports }}
    - name: {{ .name }}
      port: {{ .port }}
      targetPort: {{ .name }}
    {{- end }}
{{- end }}

{{/* HorizontalPodAutoscaler of a service. Arguments: root, name, values. */}}
{{- define "aurelius.hpa" -}}
{{- if .values.autoscaling.enabled -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "aurelius.componentName" . }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .values.autoscaling.targetCPUUtilizationPercentage }}
    - type: Resource
      resource:
        name: memory
        target:
          type: Utilization
          averageUtilization: {{ .values.autoscaling.targetMemoryUtilizationPercentage }}
  behavior:
    {{- toYaml .root.Values.autoscalingBehavior | nindent 4 }}
{{- end }}
{{- end }}

{{/* The claim that all pods of a Deployment share. Arguments: root, name, values. */}}
{{- define "aurelius.pvc" -}}
{{- if .values.persistence.enabled -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .values.persistence.claimName }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  accessModes: [{{ .values.persistence.accessMode }}]
  storageClassName: {{ .values.persistence.storageClass }}
  resources:
    requests:
      storage: {{ .values.persistence.size }}
{{- end }}
{{- end }}

{{/* Pod template of a back end. Arguments: root, name, values, portName, mountPath ("" = no data volume), args. */}}
{{- define "aurelius.backendPod" -}}
metadata:
  annotations:
    {{- include "aurelius.checksums" .root | nindent 4 }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  serviceAccountName: aurelius
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  affinity:
    {{- include "aurelius.antiAffinity" . | nindent 4 }}
  containers:
    - name: {{ .name }}
      image: "{{ .values.image.repository }}:{{ .values.image.tag }}"
      imagePullPolicy: {{ .root.Values.global.imagePullPolicy }}
      {{- with .args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: {{ .portName }}
          containerPort: {{ .values.port }}
      envFrom:
        - secretRef:
            name: aurelius-secrets
      livenessProbe:
        tcpSocket:
          port: {{ .portName }}
        initialDelaySeconds: 30
        periodSeconds: 10
        failureThreshold: 6
      readinessProbe:
        tcpSocket:
          port: {{ .portName }}
        initialDelaySeconds: 5
        periodSeconds: 5
      resources:
        {{- include "aurelius.resources" .values | nindent 8 }}
      securityContext:
        {{- toYaml .root.Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if .mountPath }}
        - name: data
          mountPath: {{ .mountPath }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
{{- end }}

{{/* StatefulSet of a back end. Arguments as above, and replicas. */}}
{{- define "aurelius.statefulset" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  serviceName: {{ include "aurelius.componentName" . }}
  {{- if .parallel }}
  podManagementPolicy: Parallel
  {{- end }}
  selector:
    matchLabels:
      {{- include "aurelius.selectorLabels" . | nindent 6 }}
  template:
    {{- include "aurelius.backendPod" . | nindent 4 }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [{{ .values.persistence.accessMode }}]
        storageClassName: {{ .values.persistence.storageClass }}
        resources:
          requests:
            storage: {{ .values.persistence.size }}
{{- end }}

{{/* Deployment of a back end without a volume. Arguments as above. */}}
{{- define "aurelius.backendDeployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  selector:
    matchLabels:
      {{- include "aurelius.selectorLabels" . | nindent 6 }}
  template:
    {{- include "aurelius.backendPod" . | nindent 4 }}
{{- end }}

{{/* Service of a back end. Arguments: root, name, values, portName, headless. */}}
{{- define "aurelius.backendService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "aurelius.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "aurelius.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "aurelius.selectorLabels" . | nindent 4 }}
  ports:
    - name: {{ .portName }}
      port: {{ .values.port }}
      targetPort: {{ .portName }}
{{- end }}
