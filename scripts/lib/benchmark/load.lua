-- wrk's script for scripts/benchmark. Arguments: path of the reads, and n: every n-th request is
-- a write (0: none, 1: all).

local path, every, count = "/", 0, 0

function init(arguments)
    path, every = arguments[1], tonumber(arguments[2])
end

function request()
    count = count + 1
    if every > 0 and count % every == 0 then
        return wrk.format("POST", "/write", nil, "")
    end
    return wrk.format("GET", path)
end
