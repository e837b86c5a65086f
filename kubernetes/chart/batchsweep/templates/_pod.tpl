{{/* The pod of both modes: call with dict "context" $ "command" "once" or "run". */}}
{{- define "batchsweep.podTemplate" -}}
{{- $command := .command -}}
{{- with .context -}}
{{- $daemon := eq $command "run" -}}
metadata:
  labels:
    {{- mergeOverwrite dict .Values.podLabels (include "batchsweep.labels" . | fromYaml) | toYaml | nindent 4 }}
  {{- with mergeOverwrite dict .Values.commonAnnotations .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not $daemon }}
  restartPolicy: Never
  {{- end }}
  serviceAccountName: {{ include "batchsweep.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets | uniq }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.podSecurityContext.enabled }}
  securityContext:
    {{- omit .Values.podSecurityContext "enabled" | toYaml | nindent 4 }}
  {{- end }}
  containers:
    - name: batchsweep
      image: {{ include "batchsweep.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - {{ $command }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $listens := and $daemon .Values.metrics.enabled }}
      {{- if or .Values.state.existingSecret $daemon .Values.extraEnvVars }}
      env:
        {{- if .Values.state.existingSecret }}
        - name: BATCHSWEEP__STATE__URL
          valueFrom:
            secretKeyRef:
              name: {{ .Values.state.existingSecret | quote }}
              key: {{ .Values.state.existingSecretKey | quote }}
        {{- end }}
        {{- if $daemon }}
        - name: BATCHSWEEP__SERVER__LISTEN
          value: {{ printf "%s:%v" (ternary .Values.metrics.address "127.0.0.1" $listens) .Values.metrics.port | quote }}
        {{- end }}
        {{- with .Values.extraEnvVars }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- if or .Values.extraEnvVarsCM .Values.extraEnvVarsSecret }}
      envFrom:
        {{- with .Values.extraEnvVarsCM }}
        - configMapRef:
            name: {{ . | quote }}
        {{- end }}
        {{- with .Values.extraEnvVarsSecret }}
        - secretRef:
            name: {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- if $listens }}
      ports:
        - name: metrics
          containerPort: {{ .Values.metrics.port }}
          protocol: TCP
      {{- end }}
      {{- if and $daemon .Values.livenessProbe.enabled }}
      livenessProbe:
        exec:
          command: [/batchsweep, healthcheck]
        {{- omit .Values.livenessProbe "enabled" | toYaml | nindent 8 }}
      {{- end }}
      {{- if and $daemon .Values.readinessProbe.enabled }}
      readinessProbe:
        exec:
          command: [/batchsweep, healthcheck, --ready]
        {{- omit .Values.readinessProbe "enabled" | toYaml | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if .Values.containerSecurityContext.enabled }}
      securityContext:
        {{- omit .Values.containerSecurityContext "enabled" | toYaml | nindent 8 }}
      {{- end }}
      volumeMounts:
        # The whole folder: a file mounted by itself (subPath) would never see an edit.
        - name: config
          mountPath: /etc/batchsweep
          readOnly: true
        {{- if .Values.existingSecret }}
        - name: secrets
          mountPath: /run/secrets/batchsweep
          readOnly: true
        {{- end }}
        {{- if include "batchsweep.onVolume" . }}
        - name: state
          mountPath: /var/lib/batchsweep
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "batchsweep.configMapName" . | quote }}
        {{- if .Values.dropIns }}
        items:
          - key: config.toml
            path: config.toml
          {{- range $name := keys .Values.dropIns | sortAlpha }}
          - key: {{ $name | quote }}
            path: {{ printf "conf.d/%s" $name | quote }}
          {{- end }}
        {{- end }}
    {{- if .Values.existingSecret }}
    - name: secrets
      secret:
        secretName: {{ .Values.existingSecret | quote }}
        # 0400 would be root's alone; with fsGroup, 0440 lets the container's user read.
        defaultMode: 0440
        items:
          - key: {{ .Values.existingSecretKey | quote }}
            path: api-key
          {{- range .Values.extraSecretKeys }}
          - key: {{ . | quote }}
            path: {{ . | quote }}
          {{- end }}
    {{- end }}
    {{- if include "batchsweep.onVolume" . }}
    - name: state
      persistentVolumeClaim:
        claimName: {{ include "batchsweep.claimName" . | quote }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}
