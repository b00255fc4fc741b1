package process

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

// prober is a client that never backs off: what it is told it follows at once, and a store that does not answer it leaves
// for another. So what it waits is what the cluster makes it wait.
type prober struct {
	stores  map[uint64]tikvpb.TikvClient
	key     []byte
	region  *metapb.Region
	leader  *metapb.Peer
	next    int          // of the peers, to be asked if nobody says who leads
	longest atomic.Int64 // nanoseconds, since reset
	done    atomic.Int64 // operations
	tries   map[string]int
}

func newProber(t *testing.T, c *harness.Cluster, pdc pd.Client, key []byte) *prober {
	t.Helper()
	p := &prober{stores: map[uint64]tikvpb.TikvClient{}, key: key, tries: map[string]int{}}
	for _, s := range c.Stores {
		conn, err := grpc.Dial(s.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(
			grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond},
				MinConnectTimeout: time.Second}))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		p.stores[statusOf(t, c, s.Address).ID] = tikvpb.NewTikvClient(conn)
	}
	found, err := pdc.GetRegion(context.Background(), key)
	require.NoError(t, err)
	p.region, p.leader = found.Meta, found.Leader
	return p
}

// follow takes from an answer where the region is; false if the answer is one.
func (p *prober) follow(err error, refused *errorpb.Error) bool {
	if err == nil && refused == nil {
		return false
	}
	known := false
	switch {
	case err != nil:
		p.tries["no answer"]++
	case refused.NotLeader != nil:
		p.tries["not leader"]++
		if leader := refused.NotLeader.Leader; leader != nil && leader.Id != p.leader.Id {
			p.leader, known = leader, true
		}
	case refused.EpochNotMatch != nil:
		p.tries["epoch"]++
		for _, region := range refused.EpochNotMatch.CurrentRegions {
			if string(region.StartKey) <= string(p.key) && (len(region.EndKey) == 0 || string(p.key) < string(region.EndKey)) {
				p.region, known = region, true
				for _, peer := range region.Peers {
					if peer.StoreId == p.leader.StoreId {
						p.leader = peer
					}
				}
			}
		}
	default:
		p.tries[refused.Message]++
	}
	if !known {
		p.next++
		p.leader = p.region.Peers[p.next%len(p.region.Peers)]
	}
	return true
}

// one writes or reads the key until it is answered.
func (p *prober) one(write bool) {
	began := time.Now()
	for {
		at := &kvrpcpb.Context{RegionId: p.region.Id, RegionEpoch: p.region.RegionEpoch, Peer: p.leader}
		store := p.stores[p.leader.StoreId]
		ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
		var err error
		var refused *errorpb.Error
		if write {
			var answer *kvrpcpb.RawPutResponse
			if answer, err = store.RawPut(ctx, &kvrpcpb.RawPutRequest{Context: at, Key: p.key, Value: []byte("v")}); err == nil {
				refused = answer.RegionError
			}
		} else {
			var answer *kvrpcpb.RawGetResponse
			if answer, err = store.RawGet(ctx, &kvrpcpb.RawGetRequest{Context: at, Key: p.key}); err == nil {
				refused = answer.RegionError
			}
		}
		cancel()
		if !p.follow(err, refused) {
			break
		}
		time.Sleep(200 * time.Microsecond) // so as not to take the CPU that the answer needs
	}
	if took := int64(time.Since(began)); took > p.longest.Load() {
		p.longest.Store(took)
	}
	p.done.Add(1)
}

// TestRollingRestartsAreNotNoticed restarts each store in turn, as an upgrade does, again and again, with clients at
// work. CAIRN_DEATHS says how often; what is to be shown on a machine of its own is ten with a median below 100 ms and
// nothing above 300.
func TestRollingRestartsAreNotNoticed(t *testing.T) {
	const clients = 8
	c, pdc := newCluster(t, harness.Options{})
	raw := rawClient(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	first := leader(t, c, pdc, key("probe", 0))
	found, err := pdc.GetRegion(ctx, key("probe", 0))
	require.NoError(t, err)
	split, err := tikvpb.NewTikvClient(dial(t, first.Address)).SplitRegion(ctx, &kvrpcpb.SplitRegionRequest{
		Context:   &kvrpcpb.Context{RegionId: found.Meta.Id, RegionEpoch: found.Meta.RegionEpoch, Peer: found.Leader},
		SplitKeys: [][]byte{key("probe", 2), key("probe", 4), key("probe", 6)}, IsRawKv: true})
	require.NoError(t, err)
	require.Nil(t, split.RegionError)
	settle(t, c, pdc)
	stop := make(chan struct{})
	var working sync.WaitGroup
	probers := make([]*prober, clients)
	for n := range probers {
		p := newProber(t, c, pdc, key("probe", n))
		probers[n] = p
		working.Add(1)
		go func() {
			defer working.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				p.one(i%2 == 0)
				time.Sleep(time.Millisecond)
			}
		}()
	}
	official := startLoad(t, 2, raw)
	// What the probers have waited since the last call.
	longest := func() time.Duration {
		all := spans{}
		for _, p := range probers {
			all = append(all, time.Duration(p.longest.Swap(0)))
		}
		sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
		return all[len(all)-1]
	}
	var waits, single, calm, ofOfficial spans
	for round := 0; round < deaths(10); round++ {
		longest()
		time.Sleep(time.Second)
		calm = append(calm, longest())
		official.longest.Store(0)
		worst := time.Duration(0)
		for _, p := range c.Stores {
			p.Stop()
			require.Zero(t, p.ExitCode(), "%s did not end by itself", p.Name)
			c.Restart(p)
			harness.Eventually(t, 60*time.Second, "the store is back", func() bool { return harness.StatusOK(p) })
			settle(t, c, pdc)
			one := longest()
			single = append(single, one)
			worst = max(worst, one)
		}
		waits = append(waits, worst)
		ofOfficial = append(ofOfficial, time.Duration(official.longest.Load()))
	}
	close(stop)
	working.Wait()
	official.end()
	require.Zero(t, official.failed.Load(), "operations of the official client failed")
	operations, tries := int64(0), map[string]int{}
	for _, p := range probers {
		operations += p.done.Load()
		for what, n := range p.tries {
			tries[what] += n
		}
	}
	for _, all := range []spans{waits, single, calm, ofOfficial} {
		sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	}
	t.Logf("%d rolling restarts of all stores, %d operations of probers; the longest wait of any of them, for each: %v (median %v); "+
		"for each store's: %v; without a restart: %v; of client-go, which backs off: %v; asked again: %s",
		len(waits), operations, waits, waits[len(waits)/2], single, calm, ofOfficial, fmt.Sprint(tries))
	// Generous, for machines that do other things beside.
	require.Less(t, waits[len(waits)/2], 400*time.Millisecond)
	require.Less(t, waits[len(waits)-1], 2*time.Second)
}
