-- The health of Backends, Collections, ApiKeys and MigrationPlans for Argo CD, from their conditions.
-- A Backend that waits for a person is Suspended; one that cannot go on is Degraded.
local waits = { ApprovalRequired = true, WaitingForWindow = true, WaitingForBackup = true, Suspended = true }
local moves = { Pending = true, Planning = true, Migrating = true, RollingOut = true, Soaking = true }
local health = { status = "Progressing", message = "The operator has not seen it yet" }

if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The operator has not seen the last change yet"
  return health
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end

local main = found.Ready or found.Accepted or found.Complete
if main == nil then
  return health
end
health.message = main.message
if main.status == "True" then
  health.status = "Healthy"
elseif waits[main.reason] then
  health.status = "Suspended"
elseif main.reason == "Superseded" then
  health.status = "Healthy"
elseif found.Stalled ~= nil and found.Stalled.status == "True" then
  health.status = "Degraded"
elseif obj.kind == "Backend" or obj.kind == "MigrationPlan" or moves[main.reason] then
  health.status = "Progressing"
else
  health.status = "Degraded"
end
return health
