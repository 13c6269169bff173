-- wrk sends the request in $BENCH_REQUEST as it stands, but for its marks (see open_loop.c); told as one line of JSON.
local file = assert(io.open(os.getenv("BENCH_REQUEST"), "rb"))
local whole = file:read("*a")
file:close()
local turns = tonumber(os.getenv("BENCH_TURNS"))
local count = tonumber(os.getenv("BENCH_SEED"))
local marks = {}
for mark, width in pairs({ ["@unique@@@@@"] = 12, ["@turn@"] = 6 }) do
  local from, to = whole:find(mark, 1, true)
  if from then table.insert(marks, { from = from, to = to, width = width, unique = width == 12 }) end
end
table.sort(marks, function(a, b) return a.from < b.from end)

function request()
  if #marks == 0 then return whole end
  local parts, at = {}, 1
  for _, mark in ipairs(marks) do
    parts[#parts + 1] = whole:sub(at, mark.from - 1)
    parts[#parts + 1] = string.format("%0" .. mark.width .. "d", mark.unique and count or count % turns)
    at = mark.to + 1
  end
  parts[#parts + 1] = whole:sub(at)
  count = count + 1
  return table.concat(parts)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answered": %d, "failed": %d, "seconds": %f, "p50": %f, "p90": %f, "p99": %f, "p999": %f, "max": %f}\n',
    summary.requests - errors.status, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
