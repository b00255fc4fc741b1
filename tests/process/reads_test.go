package process

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/rawkv"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

// 100,000 pairs, which a scan of all of them answers with some 12 MB.
const batches, pairs = 100, 1000

// large is a store with a region of that many pairs.
func large(t *testing.T) (*harness.Process, *rawkv.Client, *kvrpcpb.Context) {
	t.Helper()
	c, pdc := newCluster(t, harness.Options{Stores: 1})
	client := rawClient(t, c)
	value := make([]byte, 100)
	for i := 0; i < batches; i++ {
		var keys, values [][]byte
		for j := 0; j < pairs; j++ {
			keys = append(keys, []byte(fmt.Sprintf("%03d-%04d", i, j)))
			values = append(values, value)
		}
		require.NoError(t, client.BatchPut(context.Background(), keys, values))
	}
	region, err := pdc.GetRegion(context.Background(), []byte("0"))
	require.NoError(t, err)
	return c.Stores[0], client, &kvrpcpb.Context{RegionId: region.Meta.Id, RegionEpoch: region.Meta.RegionEpoch, Peer: region.Leader}
}

// TestScansOfOneConnectionTakeTheirTurns asks in 500 calls at once for scans of all there is: the store holds a few of the
// answers at a time.
func TestScansOfOneConnectionTakeTheirTurns(t *testing.T) {
	store, _, at := large(t)
	conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	before := store.ResidentMB()
	var wait sync.WaitGroup
	var answered atomic.Int64
	for i := 0; i < 500; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			answer, err := tikvpb.NewTikvClient(conn).RawScan(ctx, &kvrpcpb.RawScanRequest{Limit: batches * pairs, Context: at})
			if err == nil && len(answer.Kvs) == batches*pairs {
				answered.Add(1)
			}
		}()
	}
	most := 0.0
	for ctx.Err() == nil {
		most = max(most, store.ResidentMB()-before)
	}
	wait.Wait()
	t.Logf("%d answers; %.0f MB at most", answered.Load(), most)
	require.Less(t, most, float64(floodMB))
	require.NotZero(t, answered.Load())
}

// TestScansThatNobodyWaitsForHoldUpNobody asks in one message for 30,000 scans of all there is, and goes away.
func TestScansThatNobodyWaitsForHoldUpNobody(t *testing.T) {
	store, client, at := large(t)
	conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30), grpc.MaxCallSendMsgSize(1<<30)))
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := tikvpb.NewTikvClient(conn).BatchCommands(ctx)
	require.NoError(t, err)
	batch := &tikvpb.BatchCommandsRequest{}
	for i := uint64(0); i < 30_000; i++ {
		batch.RequestIds = append(batch.RequestIds, i)
		batch.Requests = append(batch.Requests, &tikvpb.BatchCommandsRequest_Request{
			Cmd: &tikvpb.BatchCommandsRequest_Request_RawScan{RawScan: &kvrpcpb.RawScanRequest{Limit: batches * pairs, Context: at}}})
	}
	before := store.ResidentMB()
	require.NoError(t, stream.Send(batch))
	canceled := time.AfterFunc(500*time.Millisecond, cancel)
	defer canceled.Stop()
	var longest time.Duration
	most := 0.0
	for begun := time.Now(); time.Since(begun) < 3*time.Second; {
		asked := time.Now()
		got, err := client.BatchGet(context.Background(), [][]byte{[]byte("000-0000")}) // on the read pool, as scans are
		require.NoError(t, err)
		require.Len(t, got[0], 100)
		longest = max(longest, time.Since(asked))
		most = max(most, store.ResidentMB()-before)
	}
	t.Logf("the longest wait of another client: %v; %.0f MB at most", longest, most)
	require.Less(t, most, float64(floodMB))
	require.Less(t, longest, time.Second)
}

// bytesRead is what the process's threads whose names begin so have read so far, by the kernel's account.
func bytesRead(t *testing.T, p *harness.Process, thread string) uint64 {
	t.Helper()
	sum := uint64(0)
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", p.Pid()))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(comm), thread) {
			continue
		}
		account, err := os.ReadFile(filepath.Join(filepath.Dir(name), "io"))
		require.NoError(t, err)
		var read uint64
		_, err = fmt.Sscanf(string(account), "rchar: %d", &read)
		require.NoError(t, err)
		sum += read
	}
	return sum
}

// percentile of the times that `count` calls take.
func percentile(t *testing.T, count int, share float64, call func()) time.Duration {
	t.Helper()
	var times []time.Duration
	for i := 0; i < count; i++ {
		begun := time.Now()
		call()
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	return times[int(share*float64(count-1))]
}

// TestGetsOfAColdStoreReadTheDiskWhereNothingWaitsForIt asks for keys of a store whose data is twenty times its cache. The
// thread that drives Raft and the network is not to read them, and what Raft has to say between stores, of which a read
// at a follower is made, is not to wait.
func TestGetsOfAColdStoreReadTheDiskWhereNothingWaitsForIt(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{StoreConfig: `
		[storage.block-cache]
		capacity = "1MiB"
		[rocksdb.defaultcf]
		write-buffer-size = "1MiB"
		[raftstore]
		store-pool-size = 1
		`})
	client := rawClient(t, c)
	const count, size = 20_000, 1 << 10
	value := make([]byte, size)
	key := func(i int) []byte { return []byte(fmt.Sprintf("%06d", i)) }
	for i := 0; i < count; i += 200 {
		var keys, values [][]byte
		for j := i; j < i+200; j++ {
			rand.Read(value)
			keys, values = append(keys, key(j)), append(values, bytes.Clone(value))
		}
		require.NoError(t, client.BatchPut(context.Background(), keys, values))
	}
	region, err := pdc.GetRegion(context.Background(), key(0))
	require.NoError(t, err)
	leader, err := pdc.GetStore(context.Background(), region.Leader.StoreId)
	require.NoError(t, err)
	var follower *metapb.Peer
	for _, peer := range region.Meta.Peers {
		if peer.Id != region.Leader.Id {
			follower = peer
		}
	}
	followers, err := pdc.GetStore(context.Background(), follower.StoreId)
	require.NoError(t, err)
	conn, err := grpc.Dial(followers.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	readAtFollower := func() {
		answer, err := tikvpb.NewTikvClient(conn).RawGet(context.Background(), &kvrpcpb.RawGetRequest{Key: key(0),
			Context: &kvrpcpb.Context{RegionId: region.Meta.Id, RegionEpoch: region.Meta.RegionEpoch, Peer: follower, ReplicaRead: true}})
		require.NoError(t, err)
		require.Len(t, answer.Value, size, answer.String())
	}
	const asked = 500
	idle := percentile(t, asked, 0.99, readAtFollower)

	store := storeAt(t, c, leader.Address)
	before, beforeAll := bytesRead(t, store, "network"), bytesRead(t, store, "read")
	var gets atomic.Int64
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for i := 0; i < 4; i++ {
		dice := mathrand.New(mathrand.NewSource(int64(i)))
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := client.Get(context.Background(), key(dice.Intn(count)))
				if err != nil || len(got) != size {
					t.Errorf("a get fails: %v", err)
					return
				}
				gets.Add(1)
			}
		}()
	}
	harness.Eventually(t, time.Minute, "the store reads", func() bool { return gets.Load() > 2000 })
	busy := percentile(t, asked, 0.99, readAtFollower)
	close(stop)
	wait.Wait()
	onNetwork, onPool := bytesRead(t, store, "network")-before, bytesRead(t, store, "read")-beforeAll
	t.Logf("%d gets; the network's thread read %d KiB, the read pool %d KiB; 99%% of reads at a follower within %v, without the gets %v",
		gets.Load(), onNetwork>>10, onPool>>10, busy, idle)
	require.Greater(t, onPool, uint64(gets.Load())*size, "the gets do not read the disk: the test shows nothing")
	require.Less(t, onNetwork, onPool/10)
	require.Less(t, busy, 10*idle+100*time.Millisecond)
}
