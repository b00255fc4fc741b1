package process

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/txnkv"
	clientv3 "go.etcd.io/etcd/client/v3"

	"cairn.test/harness"
)

// page is what processes show at a moment: the values by series ("name{labels}"), of all that show it together.
type page map[string]float64

// scrape adds a process's metrics to a page, and tells how long they took to come.
func scrape(t *testing.T, p *harness.Process, to page) time.Duration {
	t.Helper()
	began := time.Now()
	response, err := http.Get("http://" + p.Status + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	took := time.Since(began)
	require.Equal(t, 200, response.StatusCode)
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		require.Positive(t, space, line)
		var value float64
		_, err := fmt.Sscan(line[space+1:], &value)
		require.NoError(t, err, line)
		to[line[:space]] += value
	}
	return took
}

// family is the name of a series without what its kind adds.
func familyOf(series string, all map[string]bool) string {
	name, _, _ := strings.Cut(series, "{")
	if all[name] {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(name, suffix); found {
			return base
		}
	}
	return name
}

// told says of each name whether it is there, and whether it moves: its value changed from one page to the next, or it
// is a counter that has left 0 since the process began.
func told(asked map[string]bool, before, after page) (there, moves map[string]bool) {
	there, moves = map[string]bool{}, map[string]bool{}
	for series, value := range after {
		name := familyOf(series, asked)
		there[name] = true
		earlier, known := before[series]
		if known && earlier != value || !known && value != 0 {
			moves[name] = true
		}
		isCount := strings.HasSuffix(name, "_total") || strings.HasPrefix(series, name+"_count")
		if isCount && value != 0 {
			moves[name] = true
		}
	}
	return there, moves
}

func linesOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile("boards/" + file)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// reasons of a list: what goes for a name, by its pattern.
func reasonsOf(t *testing.T, file string) (patterns []string) {
	t.Helper()
	for _, line := range linesOf(t, file) {
		pattern, why, _ := strings.Cut(line, "  ")
		require.NotEmpty(t, why, line)
		patterns = append(patterns, pattern)
	}
	return patterns
}

func matches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if found, _ := path.Match(pattern, name); found {
			return true
		}
	}
	return false
}

// putLoad uses all that a store serves for a while: raw and transactional writes and reads, scans, splits, waits for
// locks.
func putLoad(t *testing.T, c *harness.Cluster) {
	t.Helper()
	ctx := context.Background()
	raw := rawClient(t, c)
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	defer client.Close()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: c.PDs(), DialTimeout: 5 * time.Second})
	require.NoError(t, err)
	defer etcd.Close()
	_, err = etcd.Put(ctx, fmt.Sprint("boards/", time.Now().UnixNano()), "a record")
	require.NoError(t, err)
	end := time.Now().Add(12 * time.Second)
	var all sync.WaitGroup
	run := func(work func(i int)) {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; time.Now().Before(end); i++ {
				work(i)
			}
		}()
	}
	value := make([]byte, 4096)
	rand.Read(value) // so that it takes room on the disk
	for n := 0; n < 4; n++ {
		n := n
		run(func(i int) {
			key := []byte(fmt.Sprintf("raw-%d-%06d", n, i%4000))
			if err := raw.Put(ctx, key, value); err != nil {
				return
			}
			raw.Get(ctx, key)
			raw.BatchGet(ctx, [][]byte{key, []byte("raw-none")})
			if i%10 == 0 {
				raw.Scan(ctx, []byte("raw-"), nil, 100)
			}
			if i%50 == 0 {
				raw.Delete(ctx, key)
			}
		})
		run(func(i int) {
			txn, err := client.Begin()
			if err != nil {
				return
			}
			txn.SetPessimistic(i%2 == 0)
			own := []byte(fmt.Sprintf("txn-%d-%06d", n, i%1000))
			shared := []byte("txn-shared")
			if i%2 == 0 {
				// The second lock may be waited for in a cycle.
				for _, key := range [][]byte{own, shared} {
					if txn.LockKeys(ctx, kv.NewLockCtx(txn.StartTS(), 50, time.Now()), key) != nil {
						txn.Rollback()
						return
					}
				}
			}
			txn.Get(ctx, own)
			if i%7 == 0 {
				snapshot := client.GetSnapshot(txn.StartTS())
				snapshot.SetReplicaRead(kv.ReplicaReadFollower)
				snapshot.Get(ctx, own)
			}
			if i%5 == 0 {
				if it, err := txn.Iter([]byte("txn-"), []byte("txn-~")); err == nil {
					for k := 0; k < 50 && it.Valid(); k++ {
						it.Next()
					}
					it.Close()
				}
			}
			txn.Set(own, value[:100])
			if i%2 == 0 {
				txn.Set(shared, own)
			}
			if i%20 == 0 {
				txn.Delete(own)
			}
			if i%13 == 0 {
				txn.Rollback()
			} else {
				txn.Commit(ctx)
			}
		})
	}
	for n := 1; n < 4; n++ {
		_, err := client.SplitRegions(ctx, [][]byte{[]byte(fmt.Sprintf("txn-%d", n))}, false, nil)
		require.NoError(t, err)
	}
	all.Wait()
}

// TestTheBoardsOfTikvAndPdShowWhatThereIs puts load on a cluster and counts the names that the boards ask for. One more
// store comes and one goes meanwhile, so that replicas move.
func TestTheBoardsOfTikvAndPdShowWhatThereIs(t *testing.T) {
	c, _ := newCluster(t, harness.Options{
		PDConfig: "[gc]\nlife-time = \"30s\"\nrun-interval = \"1s\"\nclient-cache-time = \"1s\"\n",
		StoreConfig: "[raftstore]\npd-heartbeat-tick-interval = \"2s\"\nsplit-region-check-tick-interval = \"1s\"\n" +
			"[coprocessor]\nregion-split-size = \"4MiB\"\n[rocksdb.defaultcf]\nwrite-buffer-size = \"2MiB\"\n"})
	scrapeAll := func() (stores, all page) {
		stores, all = page{}, page{}
		for _, p := range c.Stores {
			if !p.Running() { // it is removed
				continue
			}
			scrape(t, p, stores)
			scrape(t, p, all)
		}
		scrape(t, c.PD, all)
		return stores, all
	}
	storesBefore, allBefore := scrapeAll()
	// Some values go up and come down again.
	var storesDuring, allDuring []page
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		putLoad(t, c)
	}()
	for isLoaded := false; !isLoaded; {
		select {
		case <-loaded:
			isLoaded = true
		case <-time.After(200 * time.Millisecond):
			stores, all := scrapeAll()
			storesDuring, allDuring = append(storesDuring, stores), append(allDuring, all)
		}
	}
	c.AddStore()
	harness.Eventually(t, 60*time.Second, "the new store serves", func() bool { return harness.StatusOK(c.Stores[3]) })
	_, err := ctlStore(t, c, "delete", fmt.Sprint(statusOf(t, c, c.Stores[1].Address).ID))
	require.NoError(t, err)
	harness.Eventually(t, 90*time.Second, "the replicas have moved", func() bool {
		return statusOf(t, c, c.Stores[1].Address).Regions == 0
	})
	harness.Eventually(t, 90*time.Second, "a safe point has come", func() bool {
		safePoint, _ := harness.Metric(c.Stores[0], "tikv_gcworker_autogc_safe_point")
		return safePoint > 0
	})
	putLoad(t, c)
	storesAfter, allAfter := scrapeAll()

	notHere, still := reasonsOf(t, "not_here.txt"), reasonsOf(t, "still.txt")
	for _, board := range []struct {
		list          string
		before, after page
		during        []page
		percent       int
	}{
		{"tikv_summary", storesBefore, storesAfter, storesDuring, 100},
		{"tikv_details", storesBefore, storesAfter, storesDuring, 70},
		{"pd", allBefore, allAfter, allDuring, 90},
	} {
		asked := map[string]bool{}
		for _, name := range linesOf(t, board.list+".txt") {
			asked[name] = true
		}
		there, moves := told(asked, board.before, board.after)
		for _, moment := range board.during {
			_, then := told(asked, board.before, moment)
			for name := range then {
				moves[name] = true
			}
		}
		var wanted, found, moving, good int
		var absent, unmoved []string
		for name := range asked {
			if matches(notHere, name) {
				require.False(t, there[name], "%s is there after all: strike it from not_here.txt", name)
				continue
			}
			wanted++
			if there[name] {
				found++
			} else {
				absent = append(absent, name)
			}
			if moves[name] {
				moving++
			}
			if moves[name] || there[name] && matches(still, name) {
				good++
			} else if there[name] {
				unmoved = append(unmoved, name)
			}
		}
		sort.Strings(absent)
		sort.Strings(unmoved)
		t.Logf("%s: %d names asked for, %d of what is not here; of the other %d: %d there, %d moving, %d still as they should be",
			board.list, len(asked), len(asked)-wanted, wanted, found, moving, good-moving)
		t.Logf("not there: %s", strings.Join(absent, " "))
		t.Logf("there, but still: %s", strings.Join(unmoved, " "))
		require.GreaterOrEqual(t, good*100, board.percent*wanted, "of the names of %s", board.list)
	}
}

// TestAScrapeOfALoadedStoreIsQuick takes the median of several.
func TestAScrapeOfALoadedStoreIsQuick(t *testing.T) {
	c, _ := newCluster(t, harness.Options{})
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		putLoad(t, c)
	}()
	defer func() { <-loaded }()
	time.Sleep(3 * time.Second) // of load
	var times []time.Duration
	for i := 0; i < 11; i++ {
		times = append(times, scrape(t, c.Stores[i%3], page{}))
	}
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	t.Logf("scrapes under load: median %v, longest %v", times[5], times[10])
	require.Less(t, times[5], 20*time.Millisecond)
}
