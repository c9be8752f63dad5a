{{- define "cti-bridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cti-bridge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cti-bridge.selector" -}}
app.kubernetes.io/name: {{ include "cti-bridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cti-bridge.testLabels" -}}
app.kubernetes.io/name: {{ include "cti-bridge.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cti-bridge.labels" -}}
{{ include "cti-bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Annotations of an object: (list $ OWN). */}}
{{- define "cti-bridge.annotations" -}}
{{- with merge dict (index . 1) (index . 0).Values.commonAnnotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "cti-bridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cti-bridge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cti-bridge.secret" -}}
{{- if .Values.existingSecret }}
{{- .Values.existingSecret }}
{{- else if .Values.secret }}
{{- include "cti-bridge.fullname" . }}
{{- end }}
{{- end }}

{{- define "cti-bridge.image" -}}
{{- $repository := list .Values.image.registry .Values.image.repository | compact | join "/" }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* A size of the configuration, as `"64MiB"` or a number of bytes, in mebibytes, rounded up. */}}
{{- define "cti-bridge.mebibytes" -}}
{{- $number := regexFind "^[0-9.]+" . | float64 }}
{{- $unit := regexReplaceAll "^[0-9._ ]+" . "" | lower }}
{{- $bytes := get (dict "" 1 "b" 1 "k" 1000 "kb" 1000 "m" 1e6 "mb" 1e6 "g" 1e9 "gb" 1e9 "ki" 1024 "kib" 1024 "mi" 1048576 "mib" 1048576 "gi" 1073741824 "gib" 1073741824) $unit | default 1 }}
{{- divf (mulf $number $bytes) 1048576 | ceil | int }}
{{- end }}

{{- /* The largest value of a key of the configuration, in mebibytes: (dict "config" TOML "key" "max_frame" "default" 64). */}}
{{- define "cti-bridge.largest" -}}
{{- $largest := 0 }}
{{- range regexFindAll (printf "(?m)^[ \t]*%s[ \t]*=[ \t]*[\"']?[0-9][^\"'#\r\n]*" .key) .config -1 }}
{{- $value := regexReplaceAll "^[^=]*=[ \t]*[\"']?" . "" | trim | replace "_" "" }}
{{- $largest = max $largest (include "cti-bridge.mebibytes" $value | int) }}
{{- end }}
{{- default .default $largest }}
{{- end }}

{{- define "cti-bridge.memory" -}}
{{- $frame := include "cti-bridge.largest" (dict "config" .Values.config "key" "(?:[a-z0-9_.\"-]+\\.)?max_frame" "default" 64) | int }}
{{- $journal := include "cti-bridge.largest" (dict "config" .Values.config "key" "(?:journal\\.)?memory" "default" 64) | int }}
{{- printf "%dMi" (add 64 $journal (max 64 (mul 2 $frame))) }}
{{- end }}
