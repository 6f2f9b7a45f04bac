-- `table` without C code: every loop, and every call of the guest's metamethods and comparisons, can be interrupted.

local arguments = ...
local text, integer, is_table = arguments.text, arguments.integer, arguments.is_table
local bad, wrong_type, MAX_VALUES = arguments.bad, arguments.wrong_type, arguments.MAX_VALUES
local error, type, select, format = error, type, select, string.format
local raw_concat, raw_unpack = table.concat, table.unpack
local maxinteger, min = math.maxinteger, math.min

function table.insert(list, ...)
  is_table(list, 1, "insert")
  local given, position, value = select("#", ...), ...
  local last = #list + 1
  if given == 1 then
    list[last] = position
    return
  elseif given ~= 2 then
    error("wrong number of arguments to 'insert'", 2)
  end
  position = integer(position, nil, 2, "insert")
  if position < 1 or position > last then bad(2, "insert", "position out of bounds", 2) end
  for i = last, position + 1, -1 do list[i] = list[i - 1] end
  list[position] = value
end

function table.remove(list, position)
  is_table(list, 1, "remove")
  local size = #list
  position = integer(position, size, 2, "remove")
  if position ~= size and (position < 1 or position > size + 1) then
    bad(2, "remove", "position out of bounds", 2)
  end
  local value = list[position]
  for i = position, size - 1 do list[i] = list[i + 1] end
  if position <= size then list[size] = nil else list[position] = nil end
  return value
end

function table.concat(list, separator, i, j)
  is_table(list, 1, "concat")
  separator = separator == nil and "" or text(separator, 2, "concat")
  i = integer(i, 1, 3, "concat")
  j = j == nil and #list or integer(j, nil, 4, "concat")
  local parts, count = {}, 0
  for k = i, j do
    local part = list[k]
    local kind = type(part)
    if kind ~= "string" and kind ~= "number" then
      error(format("invalid value (%s) at index %d in table for 'concat'", kind, k), 2)
    end
    count = count + 1
    parts[count] = part
  end
  return raw_concat(parts, separator, 1, count)
end

function table.unpack(list, i, j)
  i = integer(i, 1, 2, "unpack")
  j = j == nil and #list or integer(j, nil, 3, "unpack")
  if i > j then return end
  if j - i >= MAX_VALUES or j - i < 0 then error("too many results to unpack", 2) end
  return raw_unpack(list, i, j)
end

function table.move(from, first, last, to, target)
  is_table(from, 1, "move")
  first = integer(first, nil, 2, "move")
  last = integer(last, nil, 3, "move")
  to = integer(to, nil, 4, "move")
  if target == nil then target = from else is_table(target, 5, "move") end
  if last < first then return target end
  if first <= 0 and last >= maxinteger + first then bad(3, "move", "too many elements to move", 2) end
  if to > maxinteger - (last - first) then bad(4, "move", "destination wrap around", 2) end
  if to > last or to <= first or target ~= from then
    for i = 0, last - first do target[to + i] = from[first + i] end
  else
    for i = last - first, 0, -1 do target[to + i] = from[first + i] end
  end
  return target
end

-- A merge sort with runs of doubling length. Unlike the library's sort it is stable, and it needs at most n log n comparisons, even
-- with an inconsistent comparison function.
function table.sort(list, before)
  is_table(list, 1, "sort")
  local count = #list
  if count < 2 then return end
  if before == nil then
    before = function(a, b) return a < b end
  elseif type(before) ~= "function" then
    wrong_type(2, "sort", "function", before, 2)
  end
  local from, into = {}, {}
  for i = 1, count do from[i] = list[i] end
  local run = 1
  while run < count do
    for start = 1, count, 2 * run do
      local middle, stop = min(start + run, count + 1), min(start + 2 * run, count + 1)
      local left, right = start, middle
      for k = start, stop - 1 do
        if left < middle and (right >= stop or not before(from[right], from[left])) then
          into[k], left = from[left], left + 1
        else
          into[k], right = from[right], right + 1
        end
      end
    end
    from, into, run = into, from, 2 * run
  end
  for i = 1, count do list[i] = from[i] end
end
