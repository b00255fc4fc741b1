package interop

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/oracle"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"

	"cairn.test/harness"
)

// locksOf scans the locks of a cluster of one region.
func locksOf(t *testing.T, c *txnkv.Client) []*kvrpcpb.LockInfo {
	t.Helper()
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	region, err := c.GetRegionCache().LocateKey(bo, []byte("any"))
	require.NoError(t, err)
	now, err := c.CurrentTimestamp("global")
	require.NoError(t, err)
	request := tikvrpc.NewRequest(tikvrpc.CmdScanLock, &kvrpcpb.ScanLockRequest{MaxVersion: now})
	response, err := c.SendReq(bo, request, region.Region, 10*time.Second)
	require.NoError(t, err)
	require.Nil(t, response.Resp.(*kvrpcpb.ScanLockResponse).RegionError)
	return response.Resp.(*kvrpcpb.ScanLockResponse).Locks
}

// A cluster without a SQL layer collects its own garbage: what dead clients leave vanishes, the safe points follow the
// clock, but not past a transaction that lives, nor past a barrier, nor once somebody else owns the garbage.
func TestGarbageIsCollectedWithoutASqlLayer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	cluster := harness.New(t, harness.Options{Stores: 1, PDConfig: `
[gc]
life-time = "30s"
run-interval = "1s"
client-cache-time = "1s"
`})
	harness.Eventually(t, 60*time.Second, "the cluster is up", func() bool { return harness.StatusOK(cluster.Stores[0]) })
	client, err := txnkv.NewClient(cluster.PDs())
	require.NoError(t, err)
	defer client.Close()
	pdc := client.GetPDClient()
	// Both calls are questions: they change nothing.
	txnSafePoint := func() (ts uint64) {
		harness.Eventually(t, 20*time.Second, "PD answers", func() (ok bool) {
			ts, err = pdc.UpdateServiceGCSafePoint(ctx, "question", 0, 0)
			return err == nil
		})
		return ts
	}
	gcSafePoint := func() uint64 {
		ts, err := pdc.UpdateGCSafePoint(ctx, 0)
		require.NoError(t, err)
		return ts
	}
	eventually := func(limit time.Duration, what string, done func() bool) {
		t.Helper()
		harness.Eventually(t, limit, what, done)
	}

	// One lives: client-go keeps the lock of a pessimistic transaction alive.
	live := begin(t, client)
	live.SetPessimistic(true)
	require.NoError(t, live.LockKeys(ctx, kv.NewLockCtx(live.StartTS(), kv.LockNoWait, time.Now()), []byte("gc/live")))
	require.NoError(t, live.Set([]byte("gc/live"), []byte("alive")))

	// Others die at different steps.
	prewritten(t, client, "gc/prewritten", 10)
	halfway := prewritten(t, client, "gc/halfway", 10)
	ts, err := client.CurrentTimestamp("global")
	require.NoError(t, err)
	halfway.SetCommitTS(ts)
	require.NoError(t, halfway.CommitMutations(ctx))
	async := begin(t, client)
	for i := 0; i < 10; i++ {
		require.NoError(t, async.Set(key("gc/async", i), []byte("v")))
	}
	committer, err := transaction.TxnProbe{KVTxn: async}.NewCommitter(0)
	require.NoError(t, err)
	committer.SetUseAsyncCommit()
	require.NoError(t, committer.PrewriteAllMutations(ctx))
	deserted := begin(t, client)
	deserted.SetPessimistic(true)
	require.NoError(t, deserted.LockKeys(ctx, kv.NewLockCtx(deserted.StartTS(), kv.LockNoWait, time.Now()), []byte("gc/deserted")))
	transaction.TxnProbe{KVTxn: deserted}.GetCommitter().CloseTTLManager()

	physical, logical, err := pdc.GetTS(ctx)
	require.NoError(t, err)
	barrier := oracle.ComposeTS(physical, logical)
	_, err = pdc.UpdateServiceGCSafePoint(ctx, "backup", 3600, barrier)
	require.NoError(t, err)

	eventually(60*time.Second, "only the locks of the living are left", func() bool {
		locks := locksOf(t, client)
		return len(locks) == 0 || len(locks) == 1 && string(locks[0].Key) == "gc/live"
	})
	eventually(20*time.Second, "the safe points reach the transaction that lives", func() bool {
		return txnSafePoint() == live.StartTS()-1 && gcSafePoint() == live.StartTS()-1
	})
	require.NoError(t, live.Commit(ctx))
	requireValue(t, client, []byte("gc/live"), "alive")
	for i := 0; i < 10; i++ {
		requireAbsent(t, client, key("gc/prewritten", i))
		requireValue(t, client, key("gc/halfway", i), "v")
		requireValue(t, client, key("gc/async", i), "v")
	}

	eventually(30*time.Second, "the safe points reach the barrier", func() bool {
		return txnSafePoint() == barrier && gcSafePoint() == barrier
	})
	time.Sleep(3 * time.Second)
	require.Equal(t, barrier, txnSafePoint())
	_, err = pdc.UpdateServiceGCSafePoint(ctx, "backup", 0, 0)
	require.NoError(t, err)
	eventually(20*time.Second, "they go on without it", func() bool { return gcSafePoint() > barrier })
	owner, found := harness.Metric(cluster.PD, "pd_gc_is_owner")
	require.True(t, found)
	require.EqualValues(t, 1, owner)
	rolledBack, _ := harness.Metric(cluster.PD, `pd_gc_locks_ended_total{fate="rolled_back"}`)
	require.GreaterOrEqual(t, rolledBack, 10.0)

	// A SQL layer's worker appears.
	_, err = pdc.UpdateServiceGCSafePoint(ctx, "gc_worker", math.MaxInt64, txnSafePoint())
	require.NoError(t, err)
	stood := txnSafePoint()
	eventually(10*time.Second, "PD stands back", func() bool {
		owner, found := harness.Metric(cluster.PD, "pd_gc_is_owner")
		return found && owner == 0
	})
	time.Sleep(3 * time.Second)
	require.Equal(t, stood, txnSafePoint())
	cluster.PD.Kill()
	cluster.Restart(cluster.PD)
	harness.Eventually(t, 20*time.Second, "PD is back", func() bool { return harness.StatusOK(cluster.PD) })
	time.Sleep(3 * time.Second)
	require.Equal(t, stood, txnSafePoint(), "a restart forgets nothing")
}
