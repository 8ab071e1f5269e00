# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads with a lock, a queue and processes; prints "ok 80000"."""

import multiprocessing
import queue
import threading

lock = threading.Lock()
total = 0


def add(count):
    global total
    for _ in range(count):
        with lock:
            total += 1


threads = [threading.Thread(target=add, args=(10000,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

channel = queue.Queue(4)
producer = threading.Thread(target=lambda: [channel.put(i) for i in range(5000)])
producer.start()
assert sum(channel.get() for _ in range(5000)) == 5000 * 4999 // 2
producer.join()

with multiprocessing.Pool(4) as pool:
    assert pool.map(abs, range(-500, 0)) == list(range(500, 0, -1))
print("ok", total)
