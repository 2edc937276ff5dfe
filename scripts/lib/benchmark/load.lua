-- wrk's script for scripts/benchmark. Arguments: path of the reads, and how many of a hundred
-- requests are writes.

local path, writes, count = "/", 0, 0

function init(arguments)
    path, writes = arguments[1], tonumber(arguments[2])
end

function request()
    count = count + 1
    if count * writes % 100 < writes then
        return wrk.format("POST", "/write", nil, "")
    end
    return wrk.format("GET", path)
end
