{{- define "batchsweep.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters: a CronJob adds 11 for its Jobs. */}}
{{- define "batchsweep.fullname" -}}
{{- $name := include "batchsweep.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "batchsweep.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* What a selector may hold: never changes over the life of a release. */}}
{{- define "batchsweep.selectorLabels" -}}
app.kubernetes.io/name: {{ include "batchsweep.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "batchsweep.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "batchsweep.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
-}}
{{- mergeOverwrite dict .Values.commonLabels $own | toYaml -}}
{{- end -}}

{{/* metadata of an object: call with dict "context" $ "name" "…" "annotations" dict "labels" dict "namespace" "" */}}
{{- define "batchsweep.metadata" -}}
{{- $context := .context -}}
name: {{ .name | quote }}
namespace: {{ default (include "batchsweep.namespace" $context) .namespace | quote }}
labels:
  {{- mergeOverwrite dict (.labels | default dict) (include "batchsweep.labels" $context | fromYaml) | toYaml | nindent 2 }}
{{- $annotations := mergeOverwrite dict $context.Values.commonAnnotations (.annotations | default dict) }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "batchsweep.image" -}}
{{- $image := .Values.image -}}
{{- $registry := default $image.registry .Values.global.imageRegistry -}}
{{- $name := $image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" $registry $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "batchsweep.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "batchsweep.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "batchsweep.config" -}}
{{- default (.Files.Get "files/config.toml") .Values.config -}}
{{- end -}}

{{- define "batchsweep.configMapName" -}}
{{- default (include "batchsweep.fullname" .) .Values.existingConfigmap -}}
{{- end -}}

{{- define "batchsweep.claimName" -}}
{{- default (printf "%s-state" (include "batchsweep.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}

{{/* Whether the state is on a volume: "yes" or nothing. */}}
{{- define "batchsweep.onVolume" -}}
{{- if and .Values.persistence.enabled (not .Values.state.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{/* Values that contradict each other, or leave out what nothing can make up for. */}}
{{- define "batchsweep.validate" -}}
{{- $v := .Values -}}
{{- $names := list -}}
{{- range $v.extraEnvVars }}{{ $names = append $names .name }}{{ end -}}
{{- if not (or $v.existingSecret $v.extraEnvVarsSecret (has "BATCHSWEEP_API_KEY" $names) $v.config $v.existingConfigmap) -}}
{{- fail (printf "\n\nThere is no API key: existingSecret is empty.\nMake a Secret, and name it:\n  kubectl -n %s create secret generic batchsweep --from-file=api-key=/dev/stdin\n  --set existingSecret=batchsweep\n" (include "batchsweep.namespace" .)) -}}
{{- end -}}
{{- if and (not $v.existingSecret) (contains "/run/secrets/batchsweep/" (include "batchsweep.config" .)) (not $v.existingConfigmap) -}}
{{- fail (printf "\n\nThe configuration reads a key from /run/secrets/batchsweep/, and existingSecret is empty: nothing would be there.\nMake a Secret, and name it:\n  kubectl -n %s create secret generic batchsweep --from-file=api-key=/dev/stdin\n  --set existingSecret=batchsweep\n" (include "batchsweep.namespace" .)) -}}
{{- end -}}
{{- if and $v.extraSecretKeys (not $v.existingSecret) -}}
{{- fail "\n\nextraSecretKeys are keys of existingSecret, which is empty: set existingSecret.\n" -}}
{{- end -}}
{{- if and $v.existingConfigmap (or $v.config $v.dropIns) -}}
{{- fail "\n\nexistingConfigmap and config (or dropIns) are both set, and only one can be mounted: leave one of them out.\n" -}}
{{- end -}}
{{- if and $v.state.existingSecret $v.persistence.existingClaim -}}
{{- fail "\n\nstate.existingSecret puts the state into PostgreSQL and persistence.existingClaim onto a volume: leave one of them out.\n" -}}
{{- end -}}
{{- $elsewhere := or $v.state.existingSecret $v.existingConfigmap (has "BATCHSWEEP__STATE__URL" $names) $v.extraEnvVarsSecret (regexMatch "(?m)^[^#]*url *= *[\"'](memory:|postgres)" (include "batchsweep.config" .)) -}}
{{- if not (or $v.persistence.enabled $elsewhere) -}}
{{- fail "\n\nThe state has no place: persistence.enabled is false and state.existingSecret is empty. Holds, open guards and the journal would be gone with each pod.\nSet one of them, or say in the configuration that nothing is to be remembered:\n  [state]\n  url = \"memory:\"\n" -}}
{{- end -}}
{{- if and (eq $v.mode "cronjob") (or $v.metrics.enabled $v.metrics.podMonitor.enabled) -}}
{{- fail "\n\nA CronJob's pod is gone before Prometheus asks it: metrics.enabled and metrics.podMonitor.enabled need mode=deployment.\n" -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled (not $v.metrics.enabled) -}}
{{- fail "\n\nmetrics.podMonitor.enabled needs metrics.enabled=true: without it the daemon listens inside its pod alone.\n" -}}
{{- end -}}
{{- end -}}
