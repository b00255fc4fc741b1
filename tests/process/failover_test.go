package process

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	pd "github.com/tikv/pd/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

// probe writes to single stores by the bare protocol, without a client's cache, retries and patience: what it measures
// is the servers' own time.
type probe struct {
	t      *testing.T
	region *pd.Region
	peers  map[string]*metapb.Peer // by address
	conns  map[string]*grpc.ClientConn
}

func newProbe(t *testing.T, c *harness.Cluster, client pd.Client, key []byte) *probe {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	region, err := client.GetRegion(ctx, key)
	require.NoError(t, err)
	p := &probe{t: t, region: region, peers: map[string]*metapb.Peer{}, conns: map[string]*grpc.ClientConn{}}
	for _, peer := range region.Meta.Peers {
		store, err := client.GetStore(ctx, peer.StoreId)
		require.NoError(t, err)
		p.peers[store.Address] = peer
		conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		p.conns[store.Address] = conn
		t.Cleanup(func() { conn.Close() })
	}
	return p
}

func (p *probe) context(address string) *kvrpcpb.Context {
	return &kvrpcpb.Context{RegionId: p.region.Meta.Id, RegionEpoch: p.region.Meta.RegionEpoch, Peer: p.peers[address]}
}

// put tells whether the store at the address took the write.
func (p *probe) put(address string, key, value []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	answer, err := tikvpb.NewTikvClient(p.conns[address]).RawPut(ctx,
		&kvrpcpb.RawPutRequest{Context: p.context(address), Key: key, Value: value})
	return err == nil && answer.RegionError == nil && answer.Error == ""
}

// get reads one key of the store at the address; ok is false if it did not answer or does not lead.
func (p *probe) get(address string, key []byte, timeout time.Duration) (value []byte, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	answer, err := tikvpb.NewTikvClient(p.conns[address]).RawGet(ctx,
		&kvrpcpb.RawGetRequest{Context: p.context(address), Key: key})
	if err != nil || answer.RegionError != nil || answer.Error != "" {
		return nil, false
	}
	return answer.Value, true
}

// untilServed is how long it takes until one of the processes takes a write.
func (p *probe) untilServed(stores []*harness.Process, key []byte, since time.Time) time.Duration {
	p.t.Helper()
	served := make(chan time.Time, len(stores))
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for _, store := range stores {
		go func(address string) {
			for n := 0; ctx.Err() == nil; n++ {
				if p.put(address, key, []byte(fmt.Sprint(n))) {
					served <- time.Now()
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		}(store.Address)
	}
	select {
	case at := <-served:
		return at.Sub(since)
	case <-ctx.Done():
		p.t.Fatal("no store took a write within 60 s")
		return 0
	}
}

type spans []time.Duration

func (s spans) String() string {
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	return fmt.Sprintf("median %v, worst %v", s[len(s)/2].Round(time.Millisecond), s[len(s)-1].Round(time.Millisecond))
}

// TestAnotherReplicaServesSoonAfterALeadersDeath kills the leader again and again, and measures two things beside each
// other: when another store takes a write, and when client-go's next write succeeds, which adds that client's own
// back-offs. A connection of client-go (v2.0.7) that was refused once stays idle for five seconds, however soon the store
// is back; so the next leader, which may be that store, is killed only after that.
func TestAnotherReplicaServesSoonAfterALeadersDeath(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{})
	client := rawClient(t, c)
	var lastAck atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := 0; w < 2; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				if client.Put(ctx, key(fmt.Sprintf("over%d", w), n%1000), []byte("v")) == nil {
					lastAck.Store(time.Now().UnixNano())
				}
				cancel()
			}
		}()
	}
	var servers, clients spans
	for i := 0; i < deaths(5); i++ {
		if i > 0 {
			time.Sleep(6 * time.Second)
		}
		victim := leader(t, c, pdc, key("over0", 0))
		p := newProbe(t, c, pdc, key("over0", 0))
		var others []*harness.Process
		for _, store := range c.Stores {
			if store != victim {
				others = append(others, store)
				p.put(store.Address, []byte("warm"), nil)
			}
		}
		victim.Kill()
		killed := time.Now()
		servers = append(servers, p.untilServed(others, []byte("served"), killed))
		harness.Eventually(t, 60*time.Second, "the client's writes go on", func() bool {
			return lastAck.Load() > killed.Add(20*time.Millisecond).UnixNano()
		})
		clients = append(clients, time.Duration(lastAck.Load()-killed.UnixNano()))
		c.Restart(victim)
		harness.Eventually(t, 60*time.Second, "the store is back", func() bool { return harness.StatusOK(victim) })
		settle(t, c, pdc)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d deaths; until another store took a write: %v; until client-go's next write: %v", len(servers), servers, clients)
	require.Less(t, servers[len(servers)/2], 3*time.Second)
}
