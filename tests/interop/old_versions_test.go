package interop

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"

	"cairn.test/harness"
)

// versionsOf asks the leader what is stored of a key.
func versionsOf(t *testing.T, c *txnkv.Client, k []byte) *kvrpcpb.MvccInfo {
	t.Helper()
	for try := 0; ; try++ {
		bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
		location, err := c.GetRegionCache().LocateKey(bo, k)
		require.NoError(t, err)
		request := tikvrpc.NewRequest(tikvrpc.CmdMvccGetByKey, &kvrpcpb.MvccGetByKeyRequest{Key: k})
		response, err := c.SendReq(bo, request, location.Region, 5*time.Second)
		require.NoError(t, err)
		answer := response.Resp.(*kvrpcpb.MvccGetByKeyResponse)
		require.Empty(t, answer.Error)
		if answer.RegionError == nil {
			return answer.Info
		}
		require.Less(t, try, 20, "%v", answer.RegionError)
		time.Sleep(200 * time.Millisecond)
	}
}

func metric(p *harness.Process, name string) float64 {
	response, err := http.Get("http://" + p.Status + "/metrics")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	var sum float64
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			var value float64
			fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &value)
			sum += value
		}
	}
	return sum
}

func TestOldVersionsGoOnceTheSafePointHasPassedThem(t *testing.T) {
	ctx := context.Background()
	cluster := harness.New(t, harness.Options{StoreConfig: `
		[gc.auto-compaction]
		check-interval = "1s"
		tombstones-num-threshold = 1
		tombstones-percent-threshold = 0
		redundant-rows-threshold = 1
		redundant-rows-percent-threshold = 0
	`})
	for _, store := range cluster.Stores {
		store := store
		harness.Eventually(t, 60*time.Second, "the stores serve", func() bool { return harness.StatusOK(store) })
	}
	c, err := txnkv.NewClient(cluster.PDs())
	require.NoError(t, err)
	defer c.Close()

	const keys, rounds = 20, 40
	long := strings.Repeat("x", 600) // does not fit into its record
	for round := 0; round < rounds; round++ {
		txn := begin(t, c)
		for i := 0; i < keys; i++ {
			value := fmt.Sprintf("v%d", round)
			if i%2 == 1 {
				value += long
			}
			require.NoError(t, txn.Set(key("old", i), []byte(value)))
		}
		require.NoError(t, txn.Commit(ctx))
	}
	txn := begin(t, c)
	require.NoError(t, txn.Delete(key("old", 0)))
	require.NoError(t, txn.Delete(key("old", 1)))
	require.NoError(t, txn.Commit(ctx))
	require.Len(t, versionsOf(t, c, key("old", 2)).Writes, rounds)

	// What is in memory is no business of compactions: a store that stops writes it to disk.
	for _, store := range cluster.Stores {
		store.Stop()
		cluster.Restart(store)
		store := store
		harness.Eventually(t, 60*time.Second, "the store serves again", func() bool { return harness.StatusOK(store) })
	}
	reader := begin(t, c)
	time.Sleep(3 * time.Second)
	require.Len(t, versionsOf(t, c, key("old", 2)).Writes, rounds, "nobody has moved the safe point")

	safePoint := reader.StartTS()
	_, err = c.GetPDClient().UpdateServiceGCSafePoint(ctx, "gc_worker", math.MaxInt64, safePoint)
	require.NoError(t, err)
	moved, err := c.GC(ctx, safePoint)
	require.NoError(t, err)
	require.Equal(t, safePoint, moved)

	harness.Eventually(t, 90*time.Second, "one version is left of each key, and none of the deleted ones", func() bool {
		for i := 0; i < keys; i++ {
			want, values := 1, i%2
			if i < 2 {
				want, values = 0, 0
			}
			info := versionsOf(t, c, key("old", i))
			if len(info.Writes) != want || len(info.Values) != values {
				return false
			}
		}
		return true
	})
	for i := 0; i < keys; i++ {
		value, err := reader.Get(ctx, key("old", i))
		if i < 2 {
			require.True(t, tikverr.IsErrNotFound(err), "%v", err)
			continue
		}
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(value), fmt.Sprintf("v%d", rounds-1)))
		require.Equal(t, i%2 == 1, strings.HasSuffix(string(value), long))
	}
	require.NoError(t, reader.Rollback())
	for _, store := range cluster.Stores {
		store := store
		harness.Eventually(t, 60*time.Second, "each store knows the safe point and has collected", func() bool {
			// The page shows 16 digits of it.
			known := metric(store, "tikv_gcworker_autogc_safe_point")
			return math.Abs(known-float64(safePoint)) < 1e-12*float64(safePoint) &&
				metric(store, "tikv_gc_compaction_filtered") > 0 && metric(store, "tikv_gcworker_gc_keys") > 0
		})
	}

	// A range that nobody uses any more goes at once, on every store.
	require.NoError(t, c.UnsafeDestroyRange(ctx, key("old", 5), key("old", 9)))
	for i := 2; i < keys; i++ {
		info := versionsOf(t, c, key("old", i))
		if i >= 5 && i < 9 {
			require.Empty(t, info.Writes)
			require.Empty(t, info.Values)
		} else {
			require.Len(t, info.Writes, 1)
		}
	}
}
