{{/* What the operator does in a namespace that it looks after. No verb and no resource more: docs/install.md says why each. */}}
{{- define "mainstay.rules" -}}
- apiGroups: [mainstay.dev]
  resources: [backends, collections, apikeys]
  verbs: [get, list, watch]
- apiGroups: [mainstay.dev]
  resources: [backends/status, collections/status, apikeys/status, migrationplans/status]
  verbs: [patch]
# Where the cluster enforces owner references, as OpenShift does, an object that holds its owner back needs it.
- apiGroups: [mainstay.dev]
  resources: [backends/finalizers, apikeys/finalizers]
  verbs: [update]
- apiGroups: [mainstay.dev]
  resources: [migrationplans]
  verbs: [get, list, watch, create, delete]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Every Backend has both, for as long as it is there.
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
# Made once, never changed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# By name alone: nothing lists or watches Secrets. `update` names the version that was read, so `patch` is not needed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, update, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What people do: who views, who edits, who administrates. */}}
{{- define "mainstay.people.view" -}}
- apiGroups: [mainstay.dev]
  resources: [backends, collections, apikeys, migrationplans]
  verbs: [get, list, watch]
{{- end -}}

{{- define "mainstay.people.edit" -}}
- apiGroups: [mainstay.dev]
  resources: [collections, apikeys]
  verbs: [create, update, patch, delete, deletecollection]
{{- end -}}

{{- define "mainstay.people.admin" -}}
- apiGroups: [mainstay.dev]
  resources: [backends, backends/scale]
  verbs: [create, update, patch, delete, deletecollection]
{{- end -}}
