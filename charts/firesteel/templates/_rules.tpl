{{/* Permissions for applications and their children, in a namespace that the operator serves. None can be omitted. */}}
{{- define "firesteel.rules" -}}
# Applications: schedules create them, and they are deleted when their time to live is over.
- apiGroups: [firesteel.dev]
  resources: [sparkapplications]
  verbs: [get, list, watch, create, delete]
- apiGroups: [firesteel.dev]
  resources: [scheduledsparkapplications]
  verbs: [get, list, watch]
- apiGroups: [firesteel.dev]
  resources: [sparkapplications/status, scheduledsparkapplications/status]
  verbs: [patch]
# Drivers and executors. Patching labels pods that have ended and are kept.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete, patch]
# An application's token, by name: the operator cannot list secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
