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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
	body, err := metricsOf(p)
	took := time.Since(began)
	require.NoError(t, err)
	require.NoError(t, parsePage(body, to))
	return took
}

func metricsOf(p *harness.Process) ([]byte, error) {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get("http://" + p.Status + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", p.Name, response.Status)
	}
	return body, err
}

func parsePage(body []byte, to page) error {
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		if space <= 0 {
			return fmt.Errorf("no line of metrics: %q", line)
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return err
		}
		to[line[:space]] += value
	}
	return lines.Err()
}

func tryScrape(p *harness.Process, to page) error {
	body, err := metricsOf(p)
	if err != nil {
		return err
	}
	return parsePage(body, to)
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

// watch looks at the metrics of processes again and again, and remembers what was there and what moved: a value that is
// another one than when it was first seen in that process, be it in a later life of it, or a counter that has left 0.
type watch struct {
	t     *testing.T
	asked map[string]bool
	mutex sync.Mutex
	first map[string]page            // by process
	there map[string]map[string]bool // by part ("store", "pd"), names
	moves map[string]map[string]bool
}

func newWatch(t *testing.T, asked map[string]bool) *watch {
	return &watch{t: t, asked: asked, first: map[string]page{}, there: map[string]map[string]bool{"store": {}, "pd": {}},
		moves: map[string]map[string]bool{"store": {}, "pd": {}}}
}

// look scrapes one process; what does not answer in time is left out.
func (w *watch) look(p *harness.Process, name, part string) {
	now := page{}
	if !p.Running() || tryScrape(p, now) != nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	first, known := w.first[name]
	if !known {
		first = page{}
		w.first[name] = first
	}
	for series, value := range now {
		family := familyOf(series, w.asked)
		if !w.asked[family] {
			continue
		}
		w.there[part][family] = true
		earlier, seen := first[series]
		isCount := strings.HasSuffix(family, "_total") || strings.HasPrefix(series, family+"_count")
		switch {
		case !seen && !known:
			first[series] = value
		case !seen:
			first[series] = 0
			earlier = 0
			fallthrough
		case earlier != value:
			if earlier != value {
				w.moves[part][family] = true
			}
		}
		if isCount && value != 0 {
			w.moves[part][family] = true
		}
	}
}

// hasMoved tells whether all these names of stores' metrics have.
func (w *watch) hasMoved(names ...string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, name := range names {
		if !w.moves["store"][name] {
			return false
		}
	}
	return true
}

// follow looks at all processes of a cluster until the result is called.
func (w *watch) follow(c *harness.Cluster, label string) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	every := func(pause time.Duration, look func()) {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				look()
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
			}
		}()
	}
	every(80*time.Millisecond, func() {
		for _, p := range c.AllStores() {
			w.look(p, label+p.Name, "store")
		}
	})
	every(200*time.Millisecond, func() {
		for _, p := range c.Members {
			w.look(p, label+p.Name, "pd")
		}
	})
	return func() {
		close(done)
		all.Wait()
	}
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
func putLoad(t *testing.T, c *harness.Cluster, length time.Duration) {
	t.Helper()
	ctx := context.Background()
	raw := rawClient(t, c)
	client, err := txnkv.NewClient(c.PDs())
	require.NoError(t, err)
	defer client.Close()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: c.PDs(), DialTimeout: 5 * time.Second})
	require.NoError(t, err)
	defer etcd.Close()
	harness.Eventually(t, 20*time.Second, "a member of PD leads", func() bool {
		_, err = etcd.Put(ctx, fmt.Sprint("boards/", time.Now().UnixNano()), "a record")
		return err == nil
	})
	end := time.Now().Add(length)
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

// TestTheBoardsOfTikvAndPdShowWhatThereIs counts the names that the boards ask for, strictly: one counts if its value
// moves. First all is well: load, a store that comes and one that goes. Then there is trouble (boards_trouble_test.go).
func TestTheBoardsOfTikvAndPdShowWhatThereIs(t *testing.T) {
	boards := map[string]map[string]bool{}
	asked := map[string]bool{}
	for _, board := range []string{"tikv_summary", "tikv_details", "pd"} {
		boards[board] = map[string]bool{}
		for _, name := range linesOf(t, board+".txt") {
			boards[board][name], asked[name] = true, true
		}
	}
	c, pdc := newCluster(t, harness.Options{
		PDs:      3,
		PDConfig: "[gc]\nlife-time = \"30s\"\nrun-interval = \"1s\"\nclient-cache-time = \"1s\"\n",
		StoreConfig: "[raftstore]\npd-heartbeat-tick-interval = \"2s\"\nsplit-region-check-tick-interval = \"1s\"\n" +
			"raft-log-gc-tick-interval = \"1s\"\n[coprocessor]\nregion-split-size = \"4MiB\"\n" +
			"[rocksdb.defaultcf]\nwrite-buffer-size = \"2MiB\"\n[gc.auto-compaction]\ncheck-interval = \"1s\"\n" +
			"redundant-rows-threshold = 10\nredundant-rows-percent-threshold = 1\ntombstones-num-threshold = 10\n" +
			"tombstones-percent-threshold = 1\n"})
	w := newWatch(t, asked)
	for _, p := range c.Stores {
		w.look(p, p.Name, "store")
	}
	for _, p := range c.Members {
		w.look(p, p.Name, "pd")
	}
	stop := w.follow(c, "")
	began := time.Now()
	putLoad(t, c, 8*time.Second)
	askRarely(t, c, pdc)
	garbage(t, c, 3*time.Second, 0, 48, 1)
	c.AddStore()
	harness.Eventually(t, 60*time.Second, "the new store serves", func() bool { return harness.StatusOK(c.Stores[3]) })
	_, err := ctlStore(t, c, "delete", fmt.Sprint(statusOf(t, c, c.Stores[1].Address).ID))
	require.NoError(t, err)
	harness.Eventually(t, 90*time.Second, "the replicas have moved", func() bool {
		return statusOf(t, c, c.Stores[1].Address).Regions == 0
	})
	t.Logf("well for %v", time.Since(began).Round(time.Second))
	makeTrouble(t, c, pdc, w)
	t.Logf("all took %v", time.Since(began).Round(time.Second))
	stop()

	notHere, still := reasonsOf(t, "not_here.txt"), reasonsOf(t, "still.txt")
	for _, board := range []struct {
		list, part string
		percent    int
	}{{"tikv_summary", "store", 100}, {"tikv_details", "store", 70}, {"pd", "pd", 90}} {
		there, moves := map[string]bool{}, map[string]bool{}
		for _, part := range []string{board.part, "store"} { // PD's board asks for two names of stores
			for name := range w.there[part] {
				there[name] = true
			}
			for name := range w.moves[part] {
				moves[name] = true
			}
		}
		var wanted, found, moving int
		var absent, unmoved []string
		for name := range boards[board.list] {
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
			} else if there[name] {
				unmoved = append(unmoved, name)
			}
		}
		sort.Strings(absent)
		sort.Strings(unmoved)
		t.Logf("%s: %d names asked for, %d of what is not here; of the other %d: %d there, %d moving",
			board.list, len(boards[board.list]), len(boards[board.list])-wanted, wanted, found, moving)
		t.Logf("not there: %s", strings.Join(absent, " "))
		t.Logf("there, but still: %s", strings.Join(unmoved, " "))
		for _, name := range unmoved {
			if matches(still, name) {
				wanted--
			}
		}
		assert.GreaterOrEqual(t, moving*100, board.percent*wanted, "of the names of %s", board.list)
	}
}

// TestAScrapeOfALoadedStoreIsQuick takes the median of several.
func TestAScrapeOfALoadedStoreIsQuick(t *testing.T) {
	c, _ := newCluster(t, harness.Options{})
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		putLoad(t, c, 12*time.Second)
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
