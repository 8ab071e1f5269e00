// SPDX-License-Identifier: GPL-2.0-or-later
//
// work.go - goroutines, channels, a collector that runs beside them, panics and signals. Prints what
// it computed.
package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
)

func floats(n int) float64 {
	x, sum := .5, 0.
	for i := 0; i < n; i++ {
		x = 3.9 * x * (1 - x)
		sum += math.Sqrt(x + 1)
	}
	return sum
}

func counted(workers, each int) (int64, int) {
	var total int64
	var group sync.WaitGroup
	numbers := make(chan int, 10)
	for w := 0; w < workers; w++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < each; i++ {
				atomic.AddInt64(&total, int64(i))
				numbers <- i % 10
			}
		}()
	}
	go func() { group.Wait(); close(numbers) }()
	sum := 0
	for n := range numbers {
		sum += n
	}
	return total, sum
}

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func caught(n int) (panics int) {
	for i := 0; i < n; i++ {
		func() {
			defer func() {
				if recover() != nil {
					panics++
				}
			}()
			var none *node
			if i%2 == 0 {
				none.count()
			}
		}()
	}
	return
}

func signals(n int) int {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1)
	for i := 0; i < n; i++ {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		<-heard
	}
	return n
}

func main() {
	fmt.Printf("%.6f\n", floats(1000000))
	fmt.Println(counted(8, 20000))
	nodes := 0
	for i := 0; i < 20; i++ {
		nodes += tree(14).count()
		runtime.GC()
	}
	fmt.Println(nodes, caught(1000), signals(200))
	words := make([]string, 50000)
	for i := range words {
		words[i] = fmt.Sprintf("%x", uint32(i*2654435761))
	}
	sort.Strings(words)
	fmt.Printf("%s %s %x\n", words[0], words[25000], sha256.Sum256([]byte(fmt.Sprint(words))))
}
