-- The `cell` table: the measurements of the host, and the environment changes that the guest requests.
--
-- The measurements are from the moment of the call. Requested changes are collected here, and the host applies them if the call
-- succeeds.

local vm_id, biological_type, bounds = ...
local error, type, tostring, next, format = error, type, tostring, next, string.format

-- The measurements at the beginning of the call, and the changes requested since.
local view, wanted = { environment = {} }, nil

local function copy(source)
  local result = {}
  for key, value in next, source do result[key] = value end
  return result
end

-- The table that a checkpoint stores, see lua-kept.ts. After a start from a checkpoint it is filled before the program runs.
state = {}

cell = { id = vm_id, type = biological_type }
for _, name in next, { "growth_rate", "doubling_time", "sim_minutes", "divisions", "health", "protein_amino_acids" } do
  cell[name] = function() return view[name] end
end
for _, name in next, { "ribosomes", "atp", "rna_polymerases", "outputs" } do
  -- A cell of another model may have none of these.
  cell[name] = function() return view[name] and copy(view[name]) end
end

function cell.environment()
  local result = copy(view.environment)
  for name, value in next, wanted or {} do result[name] = value end
  return result
end

function cell.set_environment(changes)
  if type(changes) ~= "table" then error("set_environment takes a table", 2) end
  local checked = copy(wanted or {})
  for name, value in next, changes do
    local bound = type(name) == "string" and bounds[name]
    if not bound then
      error(format("'%s' is not part of an environment", tostring(name)), 2)
    end
    -- Also false for NaN.
    if type(value) ~= "number" or not (value >= bound.least and value <= bound.largest) then
      error(format("%s must be a number from %g to %g", name, bound.least, bound.largest), 2)
    end
    checked[name] = value
  end
  wanted = checked
end

local function begin(now)
  view, wanted = now, nil
end

local function finish()
  return wanted
end

-- For the host: it calls `begin` before and `finish` after every call of the guest.
return begin, finish, cell
