// Command ops measures single operations with the official Go client against a fresh local cluster of one PD and three
// stores: throughput, latency, and above all the CPU time that the three stores and PD spend per operation, which says
// more on a shared machine than throughput does. Beside them stand the yardsticks of `cairn bench`: what the transport
// and the storage engine cost by themselves on this machine in the same run.
//
// The binary is $CAIRN_BINARY, or build/release/cairn of this checkout.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/log"
	"go.uber.org/zap"

	"cairn.test/harness"
)

var (
	only       = flag.String("only", "*", "patterns of the operations to run, separated by commas")
	goroutines = flag.Int("goroutines", 32, "clients at once")
	records    = flag.Int("records", 100000, "keys, half of them raw")
	valueBytes = flag.Int("value", 100, "bytes of a value")
	duration   = flag.Duration("time", 4*time.Second, "how long each operation is measured")
	threads    = flag.Bool("threads", false, "show the CPU time of each kind of thread, too, and how often it slept")
	yardstick  = flag.Bool("yardsticks", true, "measure the yardsticks first")
	hold       = flag.Bool("hold", false, "print the process ids before each operation and wait for Enter, for a profiler")
)

func main() {
	flag.Parse()
	// The client's own log would speak of every conflict.
	log.ReplaceGlobals(zap.NewNop(), &log.ZapProperties{})
	t := &program{}
	defer t.cleanup()
	marks := map[string]float64{}
	if *yardstick {
		marks = measureYardsticks(t)
	}
	cluster := harness.New(t, harness.Options{})
	waitForReplicas(t, cluster)
	bench := newBench(t, cluster)
	bench.load(t)
	fmt.Printf("%d goroutines, %d-byte values, %d keys; CPU in microseconds an operation, of all three stores together\n\n",
		*goroutines, *valueBytes, *records)
	fmt.Printf("%-26s %9s %8s %8s %7s | %8s %7s %7s", "operation", "ops/s", "p50 us", "p99 us", "errors", "stores", "leader", "PD")
	if marks["stream"] > 0 {
		fmt.Printf(" %9s", "x echo")
	}
	fmt.Println()
	for _, op := range operations() {
		if !selected(op.name) {
			continue
		}
		if *hold {
			holdFor(cluster, op.name)
		}
		r := bench.measure(op)
		fmt.Printf("%-26s %9.0f %8.0f %8.0f %7d | %8.1f %7.1f %7.1f", op.name, r.perSecond, r.p50, r.p99, r.errors,
			r.stores, r.leader, r.pd)
		if marks["stream"] > 0 {
			fmt.Printf(" %9.1f", r.stores/marks["stream"])
		}
		fmt.Println()
		if *threads {
			r.printThreads()
		}
	}
}

func selected(name string) bool {
	for _, pattern := range strings.Split(*only, ",") {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func holdFor(c *harness.Cluster, name string) {
	fmt.Printf("next: %s; pd %d, stores", name, c.PD.Pid())
	for _, store := range c.Stores {
		fmt.Printf(" %d", store.Pid())
	}
	fmt.Println("; press Enter")
	fmt.Scanln()
}

// waitForReplicas waits until the first region is on all stores.
func waitForReplicas(t *program, c *harness.Cluster) {
	harness.Eventually(t, time.Minute, "all stores hold the region", func() bool {
		for _, store := range c.Stores {
			if regions := harness.Applied(store); regions == "" || regions == "[]" {
				return false
			}
		}
		return true
	})
}

// program lets the harness, which wants a testing.TB, end a plain program.
type program struct {
	testing.TB
	cleanups []func()
	dirs     []string
}

func (p *program) Helper()                   {}
func (p *program) Cleanup(f func())          { p.cleanups = append(p.cleanups, f) }
func (p *program) Fatal(args ...any)         { fmt.Fprintln(os.Stderr, args...); p.cleanup(); os.Exit(1) }
func (p *program) Fatalf(f string, a ...any) { p.Fatal(fmt.Sprintf(f, a...)) }
func (p *program) Failed() bool              { return false }
func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "cairn-bench")
	if err != nil {
		p.Fatal(err)
	}
	p.dirs = append(p.dirs, dir)
	return dir
}

func (p *program) cleanup() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
	for _, dir := range p.dirs {
		os.RemoveAll(dir)
	}
}

var background = context.Background()
