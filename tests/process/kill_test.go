package process

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// deaths is how often the leader is killed; $CAIRN_DEATHS overrides it.
func deaths(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("CAIRN_DEATHS")); err == nil {
		return n
	}
	return otherwise
}

// TestNoAcknowledgedWriteIsLostWhileLeadersAreKilled writes from several clients, kills the leader with -9 again and
// again, measures how long nobody could write, at last kills everything at once, and looks for every acknowledged write.
// The deaths come faster than the client forgets that it found a store's port closed (5 s), and the times tell of that;
// failover_test.go gives it the time and measures the stores.
func TestNoAcknowledgedWriteIsLostWhileLeadersAreKilled(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{})
	client := rawClient(t, c)
	const writers = 4
	type ack struct {
		writer, n int
	}
	var lock sync.Mutex
	acked := map[ack]bool{}
	var lastAck atomic.Int64 // nanoseconds
	lastAck.Store(time.Now().UnixNano())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := 0; w < writers; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// A write that fails may or may not be there: only acknowledged ones are looked for.
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				err := client.Put(ctx, key(fmt.Sprintf("kill%d", w), n), []byte(fmt.Sprint(n)))
				cancel()
				if err == nil {
					lastAck.Store(time.Now().UnixNano())
					lock.Lock()
					acked[ack{w, n}] = true
					lock.Unlock()
				}
			}
		}()
	}

	var gaps []time.Duration
	for i := 0; i < deaths(20); i++ {
		victim := leader(t, c, pdc, key("kill0", 0))
		began := time.Now()
		victim.Kill()
		killed := time.Now()
		harness.Eventually(t, 60*time.Second, "writes go on after the leader's death", func() bool {
			return lastAck.Load() > killed.Add(20*time.Millisecond).UnixNano()
		})
		// The first acknowledgement after the death: Eventually looks every 50 ms, so this is exact to that.
		gaps = append(gaps, time.Since(began))
		c.Restart(victim)
		harness.Eventually(t, 60*time.Second, "the store is back", func() bool {
			return harness.StatusOK(victim)
		})
		settle(t, c, pdc)
	}
	close(stop)
	wg.Wait()

	for _, p := range append(c.Stores, c.PD) {
		p.Kill()
	}
	for _, p := range append(c.Stores, c.PD) {
		c.Restart(p)
	}
	settle(t, c, pdClient(t, c))
	reader := rawClient(t, c)
	missing := 0
	for w := 0; w < writers; w++ {
		have := map[string]string{}
		prefix := fmt.Sprintf("kill%d", w)
		start := []byte(prefix + "/")
		for {
			keys, values, err := reader.Scan(context.Background(), start, []byte(prefix+"0"), 5000)
			require.NoError(t, err)
			for i := range keys {
				have[string(keys[i])] = string(values[i])
			}
			if len(keys) < 5000 {
				break
			}
			start = append(keys[len(keys)-1], 0)
		}
		for a := range acked {
			if a.writer == w && have[string(key(prefix, a.n))] != fmt.Sprint(a.n) {
				missing++
			}
		}
	}
	require.Zero(t, missing, "of %d acknowledged writes", len(acked))
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	t.Logf("%d acknowledged writes, all there; %d deaths of a leader, without service for client-go: median %v, worst %v", len(acked),
		len(gaps), gaps[len(gaps)/2].Round(time.Millisecond), gaps[len(gaps)-1].Round(time.Millisecond))
}

// TestNothingIsLostWhenPdIsKilled kills PD under load: writes go on by the clients' caches, timestamps keep growing
// after its restart.
func TestNothingIsLostWhenPdIsKilled(t *testing.T) {
	ctx := context.Background()
	c, pdc := newCluster(t, harness.Options{})
	client := rawClient(t, c)
	require.NoError(t, client.Put(ctx, []byte("pd/a"), []byte("1")))
	physical, logical, err := pdc.GetTS(ctx)
	require.NoError(t, err)
	c.PD.Kill()
	require.NoError(t, client.Put(ctx, []byte("pd/b"), []byte("2")))
	c.Restart(c.PD)
	harness.Eventually(t, 30*time.Second, "PD hands out timestamps again", func() bool {
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		p, l, err := pdc.GetTS(limited)
		if err != nil {
			return false
		}
		require.Greater(t, p<<18+l, physical<<18+logical)
		return true
	})
	v, err := client.Get(ctx, []byte("pd/b"))
	require.NoError(t, err)
	require.Equal(t, "2", string(v))
	before := c.Stores[0].Pid()
	require.True(t, c.Stores[0].Running())
	require.Equal(t, before, c.Stores[0].Pid())
}
