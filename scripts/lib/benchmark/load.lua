-- wrk's script for scripts/benchmark. Arguments: path of the reads, and how many of a hundred
-- requests are writes. A write answers with the number of its runs, its retries and 1, if the site
-- knows it.

local path, writes, count = "/", 0, 0
local threads = {}
written, retried = 0, 0

local function count_runs(status, headers, body)
    local runs = tonumber(body)
    if runs then
        written, retried = written + 1, retried + runs - 1
    end
end

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    path, writes = arguments[1], tonumber(arguments[2])
    if writes > 0 then
        -- If it is defined, wrk parses each answer.
        response = count_runs
    end
end

function request()
    count = count + 1
    if count * writes % 100 < writes then
        return wrk.format("POST", "/write", nil, "")
    end
    return wrk.format("GET", path)
end

function done(summary, latency, requests)
    for _, thread in ipairs(threads) do
        print("Written: " .. thread:get("written") .. ", retried: " .. thread:get("retried"))
    end
end
