-- The world of a guest: what it finds when its first line runs. Base functions and `math`; the others are beside it.
--
-- These files run once per Lua state, before the guest, with the five libraries opened: arguments, string, table, base,
-- cell. They take away what reaches out of the state or cannot be stopped, and put Lua in the place of C wherever the C
-- function runs guest code or loops without a bound: C code has no count hook, so it can neither be counted nor
-- interrupted. What they keep are locals: the guest can change its globals and libraries, and none of them looks there.
--
-- Gone: io, os, debug, package, require, load, loadstring, dofile, loadfile, collectgarbage, warn, string.dump; coroutine,
-- because a coroutine's yield would swallow the preemption; finalisers, which run without hooks; weak tables, see
-- lua-weak-tables.ts. As in any Lua, `pairs` visits keys in no particular order.

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
    -- Lua marks a value for finalisation here or never. Set later, __mode does nothing.
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

-- For the host: a full collection, and the text of an error that is none.
return collect, tostring
