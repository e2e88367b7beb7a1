{{/* What the operator does with applications and their children, in a namespace that it serves. Nothing of this can be left out. */}}
{{- define "firesteel.rules" -}}
# Applications, which a schedule makes and which go when their time has come.
- apiGroups: [firesteel.dev]
  resources: [sparkapplications]
  verbs: [get, list, watch, create, delete]
- apiGroups: [firesteel.dev]
  resources: [scheduledsparkapplications]
  verbs: [get, list, watch]
- apiGroups: [firesteel.dev]
  resources: [sparkapplications/status, scheduledsparkapplications/status]
  verbs: [patch]
# Drivers and executors. To patch is to label one that has ended and is kept.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete, patch]
# The token of an application, by its name: the operator never sees which secrets there are.
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
