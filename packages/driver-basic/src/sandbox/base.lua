-- The global environment of a guest: base functions and `math`. The other sandbox files define the rest.
--
-- The files run once per Lua state, before the guest, with open libraries, in this order: arguments, string, table, base, cell.
-- They remove every function that reaches outside the state or cannot be interrupted. C functions that run guest code or loop
-- without a bound are replaced by Lua code, because C code has no count hook and can be neither counted nor interrupted. Their own
-- references are locals, so changes of globals and libraries by the guest do not affect them.
--
-- Removed: io, os, debug, package, require, load, loadstring, dofile, loadfile, collectgarbage, warn, string.dump; coroutine,
-- because the yield of a coroutine would intercept the preemption; finalisers, which run without hooks; weak tables, see
-- lua-weak-tables.ts. As in any Lua, `pairs` visits keys in no defined order.

local write, seed = ...
local error, type, tostring, select, next, rawget = error, type, tostring, select, next, rawget
local raw_setmetatable, collectgarbage = setmetatable, collectgarbage
local concat, raw_randomseed = table.concat, math.randomseed

local allowed = {
  _G = true, _VERSION = true, assert = true, error = true, getmetatable = true, ipairs = true, math = true, next = true,
  pairs = true, pcall = true, rawequal = true, rawget = true, rawlen = true, rawset = true, select = true,
  string = true, table = true, tonumber = true, tostring = true, type = true, utf8 = true, xpcall = true,
}
for name in next, _G do
  if not allowed[name] then _G[name] = nil end
end

function setmetatable(value, metatable)
  if type(metatable) == "table" then
    -- Lua marks a value for finalisation only here. A later __mode has no effect.
    if rawget(metatable, "__gc") ~= nil then error("finalizers (__gc) are not available", 2) end
    if rawget(metatable, "__mode") ~= nil then error("weak tables (__mode) are not available", 2) end
  end
  return raw_setmetatable(value, metatable)
end

function print(...)
  local parts = { ... }
  for i = 1, select("#", ...) do parts[i] = tostring(parts[i]) end
  write(concat(parts, "\t"))
end

function math.randomseed(...)
  if select("#", ...) == 0 then error("randomseed needs a seed here: the same seed, the same numbers", 2) end
  return raw_randomseed(...)
end
raw_randomseed(seed)

local function collect()
  collectgarbage("collect")
end

-- For the host: a full collection, and the conversion of a non-text error to text.
return collect, tostring
