package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"cairn.test/harness"
)

// waits watches how long timestamps and region lookups take while something else goes on.
type waits struct {
	mutex sync.Mutex
	worst time.Duration
	what  string
}

func (w *waits) note(what string, took time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if took > w.worst {
		w.worst, w.what = took, what
	}
}

// during runs f and returns the worst wait of the others meanwhile.
func (w *waits) during(t *testing.T, name string, f func()) time.Duration {
	w.mutex.Lock()
	w.worst, w.what = 0, ""
	w.mutex.Unlock()
	start := time.Now()
	f()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	t.Logf("%s took %v; the longest wait of another meanwhile: %v (%s)", name, time.Since(start), w.worst, w.what)
	return w.worst
}

func regionKey(i, n int) []byte {
	if i == 0 || i == n {
		return nil
	}
	return []byte(fmt.Sprintf("region/%012d", i))
}

func diskBytes(dir string) (total int64) {
	filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// PD knows many regions (CAIRN_REGIONS, 100,000), and is asked for all of them, is filled with keys through its etcd
// API, and loses them all at once. Meanwhile it goes on answering; its memory and log stay bounded; it opens again.
func TestPdAnswersAllTheWhile(t *testing.T) {
	n := 100_000
	if text := os.Getenv("CAIRN_REGIONS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	limit := 500 * time.Millisecond
	c, _ := newCluster(t, harness.Options{Stores: 1})
	dial := func() pdpb.PDClient {
		conn, err := grpc.Dial(c.PD.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return pdpb.NewPDClient(conn)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := dial()
	members, err := client.GetMembers(ctx, &pdpb.GetMembersRequest{})
	require.NoError(t, err)
	header := &pdpb.RequestHeader{ClusterId: members.Header.ClusterId}

	for id := uint64(1001); id <= 1003; id++ {
		put, err := client.PutStore(ctx, &pdpb.PutStoreRequest{Header: header, Store: &metapb.Store{Id: id,
			Address: fmt.Sprintf("127.0.0.1:%d", id), Version: "9.9.9"}})
		require.NoError(t, err)
		require.Nil(t, put.Header.Error)
	}
	stream, err := client.RegionHeartbeat(ctx)
	require.NoError(t, err)
	go func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	report := func(i int) *pdpb.RegionHeartbeatRequest {
		id := uint64(10_000_000 + i*4)
		region := &metapb.Region{Id: id, StartKey: regionKey(i, n), EndKey: regionKey(i+1, n),
			RegionEpoch: &metapb.RegionEpoch{Version: 100, ConfVer: 5}}
		for s := uint64(1); s <= 3; s++ {
			region.Peers = append(region.Peers, &metapb.Peer{Id: id + s, StoreId: 1000 + s})
		}
		return &pdpb.RegionHeartbeatRequest{Header: header, Region: region, Leader: region.Peers[i%3], Term: 6,
			ApproximateSize: 96 << 20}
	}

	var others waits
	other := dial() // on one connection answers wait for each other
	tso, err := other.Tso(ctx)
	require.NoError(t, err)
	go func() {
		for ctx.Err() == nil {
			start := time.Now()
			if tso.Send(&pdpb.TsoRequest{Header: header, Count: 1}) != nil {
				return
			}
			if _, err := tso.Recv(); err != nil {
				return
			}
			others.note("a timestamp", time.Since(start))
			start = time.Now()
			if _, err := other.GetRegion(ctx, &pdpb.GetRegionRequest{Header: header, RegionKey: []byte("x")}); err != nil {
				return
			}
			others.note("a region", time.Since(start))
			time.Sleep(time.Millisecond)
		}
	}()

	others.during(t, fmt.Sprintf("reporting %d regions", n), func() {
		for i := 0; i < n; i++ {
			require.NoError(t, stream.Send(report(i)))
		}
		harness.Eventually(t, 300*time.Second, "PD knows all regions", func() bool {
			last, err := client.GetRegionByID(ctx, &pdpb.GetRegionByIDRequest{Header: header, RegionId: uint64(10_000_000 + (n-1)*4)})
			return err == nil && last.Region != nil
		})
	})
	t.Logf("PD takes %.0f MB with %d regions", c.PD.ResidentMB(), n)
	before := c.PD.ResidentMB()

	worst := others.during(t, "doing nothing", func() { time.Sleep(2 * time.Second) })
	require.Less(t, worst, limit)
	worst = others.during(t, "ten scans of all regions at once", func() {
		var wg sync.WaitGroup
		for range 10 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				all, err := client.ScanRegions(ctx, &pdpb.ScanRegionsRequest{Header: header})
				if err != nil {
					require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
				} else {
					require.Len(t, all.Regions, n)
				}
			}()
		}
		wg.Wait()
	})
	require.Less(t, worst, limit)
	require.Less(t, c.PD.ResidentMB(), before+800)

	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.PD.Address}})
	require.NoError(t, err)
	defer etcd.Close()
	large := string(make([]byte, 1<<20))
	worst = others.during(t, "300 puts of 1 MiB on 100 keys", func() {
		for i := 0; i < 300; i++ {
			_, err := etcd.Put(ctx, fmt.Sprintf("/pd/garbage/%d", i%100), large)
			require.NoError(t, err)
		}
	})
	require.Less(t, worst, limit)
	t.Logf("PD's log takes %d MiB on disk", diskBytes(filepath.Join(c.Dir, "pd", "raft"))>>20)
	_, err = etcd.Put(ctx, "/too/large", string(make([]byte, 5<<20)))
	require.Error(t, err)
	worst = others.during(t, "deleting all keys", func() {
		_, err := etcd.Delete(ctx, "\x00", clientv3.WithFromKey())
		require.NoError(t, err)
	})
	require.Less(t, worst, limit)
	harness.Eventually(t, 30*time.Second, "PD's log is cut", func() bool {
		return diskBytes(filepath.Join(c.Dir, "pd", "raft")) < 256<<20
	})

	cancel()
	for range 2 {
		c.PD.Kill()
		c.Restart(c.PD)
		harness.Eventually(t, 30*time.Second, "PD serves again", func() bool {
			booted, err := client.IsBootstrapped(context.Background(), &pdpb.IsBootstrappedRequest{Header: header})
			return err == nil && booted.Bootstrapped
		})
	}
}
