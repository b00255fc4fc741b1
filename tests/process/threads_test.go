package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// timeOf is the CPU time that each thread of the process whose name begins so has used, in ticks of the kernel's clock.
func timeOf(t *testing.T, p *harness.Process, prefix string) map[string]int {
	t.Helper()
	used := map[string]int{}
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", p.Pid()))
	require.NoError(t, err)
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(comm), prefix) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "stat"))
		require.NoError(t, err)
		// Behind the name, which may hold anything, the user's and the system's time are fields 11 and 12.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, err := strconv.Atoi(fields[11])
		require.NoError(t, err)
		system, err := strconv.Atoi(fields[12])
		require.NoError(t, err)
		used[strings.TrimSpace(string(comm))] = user + system
	}
	return used
}

// TestConnectionsAreServedByFourThreads runs transfers, audits and single registers of several clients against stores
// whose connections are served by four threads and whose regions by two.
func TestConnectionsAreServedByFourThreads(t *testing.T) {
	ctx := context.Background()
	c, pdc := newCluster(t, harness.Options{StoreConfig: `
		[server]
		grpc-concurrency = 4
		[raftstore]
		store-pool-size = 2
		`})
	client := openBank(t, ctx, c)

	stop := make(chan struct{})
	began := time.Now()
	b := &bank{c: client, stop: stop, began: began, acknowledged: map[string]bool{}, denied: map[string]bool{}}
	var wg sync.WaitGroup
	for w := 0; w < 16; w++ {
		wg.Add(1)
		go func(worker int) {
			defer wg.Done()
			b.work(worker)
		}(w)
	}
	// Raw clients come and go meanwhile, each with connections of its own.
	for i := 0; i < 12; i++ {
		raw := rawClient(t, c)
		for n := 0; n < 50; n++ {
			k := key("raw", i*50+n)
			require.NoError(t, raw.Put(ctx, k, k))
			got, err := raw.Get(ctx, k)
			require.NoError(t, err)
			require.Equal(t, k, got)
		}
	}
	harness.Eventually(t, time.Minute, "transfers go on", func() bool { return b.transfers.Load() > 300 })
	for _, store := range c.Stores {
		used := timeOf(t, store, "network")
		t.Logf("%s: %v", store.Name, used)
		require.Len(t, used, 4)
	}
	busiest := timeOf(t, leader(t, c, pdc, account(0)), "network")
	for name, ticks := range busiest {
		require.NotZero(t, ticks, "%s has served nobody", name)
	}
	close(stop)
	wg.Wait()
	require.Empty(t, b.failures)
	checkBooks(t, b)
	result := porcupine.CheckOperationsTimeout(registers, b.history, 60*time.Second)
	require.NotEqual(t, porcupine.CheckResult(porcupine.Illegal), result, "the registers are not linearizable")
	requireNoLockStays(t, client)
}
