package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"cairn.test/harness"
)

// threadTime is what threads of one name have used: microseconds of CPU, and how often they went to sleep.
type threadTime struct{ us, sleeps float64 }

// threadTimes goes by the thread's name, numbers at its end left out.
type threadTimes map[string]threadTime

func (t threadTimes) total() float64 {
	sum := 0.0
	for _, one := range t {
		sum += one.us
	}
	return sum
}

func (t threadTimes) subtract(other threadTimes) {
	for name, one := range t {
		t[name] = threadTime{one.us - other[name].us, one.sleeps - other[name].sleeps}
	}
}

// usage is what the processes of a cluster have used so far.
type usage struct {
	stores []threadTimes
	pd     threadTimes
}

var numberAtEnd = regexp.MustCompile(`[-_]?\d+$`)

func threadTimesOf(pid int) threadTimes {
	times := threadTimes{}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		name, err := os.ReadFile(task + "/comm")
		if err != nil {
			continue // it ended
		}
		stat, err := os.ReadFile(task + "/schedstat")
		if err != nil {
			continue
		}
		nanoseconds := 0.0
		fmt.Sscan(string(stat), &nanoseconds)
		kind := numberAtEnd.ReplaceAllString(strings.TrimSpace(string(name)), "")
		times[kind] = threadTime{times[kind].us + nanoseconds/1e3, times[kind].sleeps + sleepsOf(task)}
	}
	return times
}

// sleepsOf counts the voluntary context switches of a thread.
func sleepsOf(task string) float64 {
	status, _ := os.ReadFile(task + "/status")
	_, rest, found := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
	sleeps := 0.0
	if found {
		fmt.Sscan(rest, &sleeps)
	}
	return sleeps
}

func usageOf(c *harness.Cluster) usage {
	u := usage{pd: threadTimesOf(c.PD.Pid())}
	for _, store := range c.Stores {
		u.stores = append(u.stores, threadTimesOf(store.Pid()))
	}
	return u
}

func (u usage) since(before usage) usage {
	for i, store := range u.stores {
		store.subtract(before.stores[i])
	}
	u.pd.subtract(before.pd)
	return u
}

func (u usage) storesByThread() threadTimes {
	sum := threadTimes{}
	for _, store := range u.stores {
		for name, one := range store {
			sum[name] = threadTime{sum[name].us + one.us, sum[name].sleeps + one.sleeps}
		}
	}
	return sum
}

func (r result) printThreads() {
	for _, part := range []struct {
		name  string
		times threadTimes
	}{{"stores", r.storeThreads}, {"PD", r.pdThreads}} {
		var names []string
		for name := range part.times {
			names = append(names, name)
		}
		sort.Slice(names, func(i, j int) bool { return part.times[names[i]].us > part.times[names[j]].us })
		fmt.Printf("    %-6s", part.name)
		for _, name := range names {
			if us := part.times[name].us / r.operations; us >= 0.5 {
				fmt.Printf("  %s %.1f (%.2f)", name, us, part.times[name].sleeps/r.operations)
			}
		}
		fmt.Println()
	}
}
