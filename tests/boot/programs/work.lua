-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- work.lua - loops, tables, strings, closures, coroutines and C structures for a just-in-time
-- compiler. Prints what it computed.
local ffi, bit = require("ffi"), require("bit")

local x, sum = 0.5, 0
for _ = 1, 3000000 do
  x = 3.9 * x * (1 - x)
  sum = sum + math.sqrt(x + 1)
end
print(string.format("%.6f", sum))

local hash = 0
for i = 1, 3000000 do hash = bit.bxor(bit.rol(hash, 5), i) end
print(hash)

local sieve, primes = {}, 0
for i = 2, 300000 do
  if not sieve[i] then
    primes = primes + 1
    for j = i * 2, 300000, i do sieve[j] = true end
  end
end
print(primes)

local points = ffi.new("struct { double x, y; int n; }[1000]")
for round = 1, 200 do
  for i = 0, 999 do
    points[i].x, points[i].n = points[i].x + i / round, points[i].n + round
  end
end
print(string.format("%.6f %d", points[999].x, points[999].n))

local words = {}
for i = 1, 50000 do words[#words + 1] = ("%x"):format(i * 2654435761 % 4294967296) end
table.sort(words)
print(words[1], words[25000], #table.concat(words))

local producer = coroutine.wrap(function() for i = 1, 200000 do coroutine.yield(i) end end)
local total = 0
for i in producer do total = total + i end
print(total, select("#", pcall(error, "no")))
