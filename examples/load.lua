-- For wrk: a steady load on one farm. Counts what was not answered as it should be: another status than 200, or a
-- text that is not the tenant's. Arguments: what each answer begins with, pause in ms, file for what was wrong.
local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function init(arguments)
    beginning, pause_ms, path = arguments[1], tonumber(arguments[2]), arguments[3]
    wrong = 0
end

function delay()
    return pause_ms
end

function response(status, headers, body)
    if status ~= 200 or body:sub(1, #beginning) ~= beginning then
        wrong = wrong + 1
        local file = io.open(path, "a")
        file:write(status, " ", body:sub(1, 60):gsub("%s", " "), "\n")
        file:close()
    end
end

function done(summary, latency, requests)
    local wrong_all = 0
    for _, thread in ipairs(threads) do
        wrong_all = wrong_all + thread:get("wrong")
    end
    local e = summary.errors
    io.write(string.format('\n{"requests": %d, "wrong": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, "p99_ms": %.1f}\n',
        summary.requests, wrong_all, e.connect, e.read, e.write, e.timeout, latency:percentile(99) / 1000))
end
