-- Checks the arguments of the sandbox's functions, with the error messages of Lua's own libraries.
--
-- The first of the five sandbox files (see base.lua). Every function here is called by a function that the guest calls, so
-- level 3 is the guest: errors show the position in the guest's code. nil and a missing argument are not distinguished.

local error, type, tostring, tonumber, format, tointeger = error, type, tostring, tonumber, string.format, math.tointeger

-- Values that one call may put on the stack, because a C function copies them without a hook.
local MAX_VALUES = 10000

local function bad(position, name, message, level)
  error(format("bad argument #%d to '%s' (%s)", position, name, message), level + 1)
end

local function wrong_type(position, name, expected, value, level)
  bad(position, name, expected .. " expected, got " .. (value == nil and "no value" or type(value)), level + 1)
end

-- A function that the guest calls calls both, so level 3 is the guest.
local function text(value, position, name)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return tostring(value) end
  wrong_type(position, name, "string", value, 3)
end

local function integer(value, default, position, name)
  if value == nil and default then return default end
  local number = tonumber(value)
  if not number then wrong_type(position, name, "number", value, 3) end
  local whole = tointeger(number)
  if not whole then bad(position, name, "number has no integer representation", 3) end
  return whole
end

local function is_table(value, position, name)
  if type(value) ~= "table" then wrong_type(position, name, "table", value, 3) end
end

return {
  MAX_VALUES = MAX_VALUES,
  bad = bad,
  wrong_type = wrong_type,
  text = text,
  integer = integer,
  is_table = is_table,
}
