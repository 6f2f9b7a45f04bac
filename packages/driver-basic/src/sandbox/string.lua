-- `string`, and the functions of `utf8` that need a limit.
--
-- The host matches patterns (lua-scan.ts) and counts the steps. Code that calls guest functions is here, where it can be
-- interrupted. The table of the string library itself is changed, so that methods (`s:rep(n)`) use these functions too.

local scan, arguments = ...
local text, integer, bad, wrong_type = arguments.text, arguments.integer, arguments.bad, arguments.wrong_type
local MAX_VALUES = arguments.MAX_VALUES
local error, type, tostring, tonumber, select = error, type, tostring, tonumber, select
local raw_rep, raw_byte, format, sub = string.rep, string.byte, string.format, string.sub
local raw_pack, raw_unpack, raw_packsize = string.pack, string.unpack, string.packsize
local concat, raw_codepoint = table.concat, utf8.codepoint
local tointeger, maxinteger, max = math.tointeger, math.maxinteger, math.max

-- The longest format of string.pack, in characters: each can be an item.
local MAX_PACK_FORMAT = 1000
-- The modes of scan, equal to those in lua-scan.ts.
local FIND, PLAIN, MATCH, GMATCH, GSUB = 0, 1, 2, 3, 4

getmetatable("").__metatable = false
string.dump = nil

function string.rep(s, n, separator)
  s = text(s, 1, "rep")
  n = integer(n, nil, 2, "rep")
  separator = separator == nil and "" or text(separator, 3, "rep")
  -- The C loop runs n times even for an empty string.
  if #s + #separator == 0 then return "" end
  return raw_rep(s, n, separator)
end

-- Returns the number of bytes that string.byte(s, i, j) returns.
local function width(s, i, j)
  local length = #s
  if i < 0 then i = max(length + i + 1, 1) elseif i == 0 then i = 1 end
  if j > length then j = length elseif j < 0 then j = max(length + j + 1, 0) end
  return j - i + 1
end

function string.byte(s, i, j)
  s = text(s, 1, "byte")
  i = integer(i, 1, 2, "byte")
  j = integer(j, i, 3, "byte")
  if width(s, i, j) > MAX_VALUES then error("string slice too long", 2) end
  return raw_byte(s, i, j)
end

local function limited_format(original, name)
  return function(items, ...)
    items = text(items, 1, name)
    if #items > MAX_PACK_FORMAT then bad(1, name, "format too long", 2) end
    return original(items, ...)
  end
end
string.pack = limited_format(raw_pack, "pack")
string.unpack = limited_format(raw_unpack, "unpack")
string.packsize = limited_format(raw_packsize, "packsize")

function utf8.codepoint(s, i, j, lax)
  s = text(s, 1, "codepoint")
  i = integer(i, 1, 2, "codepoint")
  j = integer(j, i, 3, "codepoint")
  if width(s, i, j) > MAX_VALUES then error("string slice too long", 2) end
  return raw_codepoint(s, i, j, lax)
end

-- scan returns false and a message for a malformed pattern. A tail call keeps the guest at level 2.
local function found(first, ...)
  if first == false then error((...), 2) end
  return first, ...
end

function string.find(s, pattern, init, plain)
  s = text(s, 1, "find")
  pattern = text(pattern, 2, "find")
  return found(scan(s, pattern, integer(init, 1, 3, "find"), plain and PLAIN or FIND, -1))
end

function string.match(s, pattern, init)
  s = text(s, 1, "match")
  pattern = text(pattern, 2, "match")
  return found(scan(s, pattern, integer(init, 1, 3, "match"), MATCH, -1))
end

function string.gmatch(s, pattern, init)
  s = text(s, 1, "gmatch")
  pattern = text(pattern, 2, "gmatch")
  local position, after = integer(init, 1, 3, "gmatch"), -1
  local function advance(last, ...)
    if not last then
      if last == false then error((...), 2) end
      position = #s + 2
      return nil
    end
    position, after = last + 1, last
    return ...
  end
  return function()
    return advance(scan(s, pattern, position, GMATCH, after))
  end
end

-- Parses a replacement text into a list of literal pieces and capture numbers (0 is the whole match).
local function template(replacement)
  local pieces, count, position = {}, 0, 1
  while true do
    local percent = scan(replacement, "%", position, PLAIN, -1)
    count = count + 1
    pieces[count] = sub(replacement, position, (percent or 0) - 1)
    if not percent then return pieces, count end
    local symbol = sub(replacement, percent + 1, percent + 1)
    count = count + 1
    pieces[count] = symbol == "%" and "%" or tointeger(tonumber(symbol)) or error(
      "invalid use of '%' in replacement string", 3)
    position = percent + 2
  end
end

-- Builds the replacement of one match from a template; `...` are its captures, or the whole match if the pattern has none.
local function filled(pieces, count, whole, captured, ...)
  local captures, result = { ... }, {}
  for i = 1, count do
    local piece = pieces[i]
    if type(piece) == "string" then
      result[i] = piece
    elseif piece == 0 then
      result[i] = whole
    elseif piece <= captured then
      result[i] = captures[piece]
    else
      error(format("invalid capture index %%%d", piece), 4)
    end
  end
  return concat(result)
end

local function replaced(kind, replacement, count, whole, ...)
  local value
  if kind == "string" then
    return filled(replacement, count, whole, select("#", ...), ...)
  elseif kind == "function" then
    value = replacement(...)
  else
    value = replacement[(...)]
  end
  if not value then return whole end
  if type(value) ~= "string" and type(value) ~= "number" then
    error(format("invalid replacement value (a %s)", type(value)), 4)
  end
  return value
end

function string.gsub(s, pattern, replacement, limit)
  s = text(s, 1, "gsub")
  pattern = text(pattern, 2, "gsub")
  local kind, count = type(replacement), nil
  if kind == "number" then kind, replacement = "string", tostring(replacement) end
  if kind == "string" then
    replacement, count = template(replacement)
  elseif kind ~= "function" and kind ~= "table" then
    wrong_type(3, "gsub", "string/function/table", replacement, 2)
  end
  limit = integer(limit, maxinteger, 4, "gsub")
  local anchored = sub(pattern, 1, 1) == "^"
  local pieces, size, done = {}, 0, 0
  local position, after = 1, -1
  local function step(first, last, ...)
    if not first then
      if first == false then error(last, 3) end
      return false
    end
    done = done + 1
    pieces[size + 1] = sub(s, position, first - 1)
    pieces[size + 2] = replaced(kind, replacement, count, sub(s, first, last), ...)
    size = size + 2
    position, after = last + 1, last
    return true
  end
  while done < limit and step(scan(s, pattern, position, GSUB, after)) and not anchored do end
  if done == 0 then return s, 0 end
  pieces[size + 1] = sub(s, position)
  return concat(pieces), done
end
