// SPDX-License-Identifier: GPL-2.0-or-later
//
// Threads.java - threads, exceptions that are host signals first, streams, and garbage enough for
// some collections. Prints what it computed.
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

public class Threads {
    static double floats(int n) {
        double x = .5, sum = 0;
        for (int i = 0; i < n; i++) {
            x = 3.9 * x * (1 - x);
            sum += Math.sqrt(x + 1);
        }
        return sum;
    }

    static int counted(int threads, int each) throws InterruptedException {
        Map<Integer, Integer> counts = new ConcurrentHashMap<>();
        List<Thread> all = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            Thread thread = new Thread(() -> {
                for (int i = 0; i < each; i++)
                    counts.merge(i % 100, 1, Integer::sum);
            });
            thread.start();
            all.add(thread);
        }
        for (Thread thread : all)
            thread.join();
        return counts.values().stream().mapToInt(x -> x).sum();
    }

    static int nulls(int n) {
        int caught = 0;
        for (int i = 0; i < n; i++)
            try {
                String s = i % 2 == 0 ? null : "x";
                s.length();
            } catch (NullPointerException e) {
                caught++;
            }
        return caught;
    }

    static int deep(int n) {
        try {
            return deep(n + 1);
        } catch (StackOverflowError e) {
            return n > 500 ? 1 : 0;
        }
    }

    static int garbage(int n) {
        List<byte[]> kept = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            kept.add(new byte[50000]);
            if (kept.size() > 50)
                kept.subList(0, 25).clear();
        }
        System.gc();
        return kept.size();
    }

    public static void main(String[] args) throws Exception {
        System.out.printf("%.6f%n", floats(1000000));
        Map<Integer, String> map = new HashMap<>();
        for (int i = 0; i < 100000; i++)
            map.put(i % 5000, "v" + i);
        long hash = 0;
        for (var entry : map.entrySet())
            hash += entry.getKey() * entry.getValue().hashCode();
        System.out.println(hash);
        System.out.println(IntStream.range(0, 300000).parallel().filter(i -> i % 7 == 3)
            .mapToLong(i -> (long) i * i).sum());
        System.out.println(counted(8, 20000));
        System.out.println(nulls(1000));
        System.out.println(deep(0));
        System.out.println(garbage(4000));
    }
}
