package interop

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/tikvrpc/interceptor"
	"github.com/tikv/client-go/v2/txnkv"
)

// regionOf is the region of a key as PD knows it. Right after a split it may know none for a moment: one part has
// told it of itself, the other not yet.
func regionOf(t *testing.T, c *txnkv.Client, k []byte) *metapb.Region {
	t.Helper()
	for try := 0; ; try++ {
		region, err := c.GetPDClient().GetRegion(context.Background(), k)
		require.NoError(t, err)
		if region != nil {
			return region.Meta
		}
		require.Less(t, try, 200, "PD knows no region of %q", k)
		time.Sleep(20 * time.Millisecond)
	}
}

// split sends one SplitRegion and returns the regions that it names, in order of their keys.
func split(t *testing.T, c *txnkv.Client, keys ...[]byte) []*metapb.Region {
	t.Helper()
	response := send(t, c, keys[0], tikvrpc.CmdSplitRegion, &kvrpcpb.SplitRegionRequest{SplitKeys: keys}).(*kvrpcpb.SplitRegionResponse)
	regions := response.Regions
	sort.Slice(regions, func(i, j int) bool { return bytes.Compare(regions[i].StartKey, regions[j].StartKey) < 0 })
	return regions
}

// TestASplitAtSeveralKeysRaisesTheVersionByTheirNumber: for all regions that come of it, at the store and at PD.
func TestASplitAtSeveralKeysRaisesTheVersionByTheirNumber(t *testing.T) {
	c := txnClient(t)
	splitAt(t, c, "split", 0, 999)
	for round, numbers := range [][]int{{500}, {100, 200, 300}, {510, 520, 530, 540, 550, 560, 570, 580}} {
		var keys [][]byte
		for _, n := range numbers {
			keys = append(keys, key("split", n))
		}
		before := regionOf(t, c, keys[0])
		regions := split(t, c, keys...)
		require.Len(t, regions, len(keys)+1, "round %d", round)
		ids := map[uint64]bool{}
		for i, region := range regions {
			require.Equal(t, before.RegionEpoch.Version+uint64(len(keys)), region.RegionEpoch.Version)
			require.Equal(t, before.RegionEpoch.ConfVer, region.RegionEpoch.ConfVer)
			require.Len(t, region.Peers, len(before.Peers))
			ids[region.Id] = true
			if i > 0 {
				require.Equal(t, regions[i-1].EndKey, region.StartKey)
			}
		}
		require.Len(t, ids, len(keys)+1)
		require.True(t, ids[before.Id], "the old region goes on as one of them")
		require.Equal(t, before.Id, regions[len(regions)-1].Id, "as the last")
		for i, k := range keys {
			require.Eventually(t, func() bool {
				return bytes.Equal(regionOf(t, c, k).StartKey, k)
			}, 10*time.Second, 20*time.Millisecond, "PD knows the region that begins at %q", k)
			region := regionOf(t, c, k)
			require.Equal(t, regions[i+1].Id, region.Id)
			require.Equal(t, regions[i+1].RegionEpoch, region.RegionEpoch)
		}
	}
	found, err := c.GetPDClient().ScanRegions(context.Background(), key("split", 0), key("split", 999), 100)
	require.NoError(t, err)
	require.Len(t, found, 13)
	for i := 1; i < len(found); i++ {
		require.Equal(t, found[i-1].Meta.EndKey, found[i].Meta.StartKey)
	}
}

func TestASplitThatCannotBeChangesNothing(t *testing.T) {
	c := txnClient(t)
	splitAt(t, c, "badsplit", 0, 100)
	before := regionOf(t, c, key("badsplit", 50))
	bo := tikv.NewBackofferWithVars(context.Background(), 20000, nil)
	for name, bad := range map[string]struct {
		keys    [][]byte
		isError bool
	}{
		"no keys":                 {nil, false},
		"a key of another region": {[][]byte{key("badsplit", 500)}, true},
		"the key where it begins": {[][]byte{key("badsplit", 0)}, false}, // it is done already
		"one good and one bad":    {[][]byte{key("badsplit", 50), key("badsplit", 500)}, true},
	} {
		at, err := c.GetRegionCache().LocateKey(bo, key("badsplit", 50))
		require.NoError(t, err)
		request := tikvrpc.NewRequest(tikvrpc.CmdSplitRegion, &kvrpcpb.SplitRegionRequest{SplitKeys: bad.keys})
		response, err := c.SendReq(bo, request, at.Region, 5*time.Second)
		require.NoError(t, err, name)
		regionErr, err := response.GetRegionError()
		require.NoError(t, err, name)
		require.Equal(t, bad.isError, regionErr.GetKeyNotInRegion() != nil, "%s: %v", name, regionErr)
		require.LessOrEqual(t, len(response.Resp.(*kvrpcpb.SplitRegionResponse).Regions), 1, name)
	}
	require.Equal(t, before.RegionEpoch, regionOf(t, c, key("badsplit", 99)).RegionEpoch)
	regions := split(t, c, key("badsplit", 50), key("badsplit", 50))
	require.Len(t, regions, 2, "one key twice is one key")
	require.Equal(t, before.RegionEpoch.Version+1, regions[0].RegionEpoch.Version)
	put(t, c, values(100, "badsplit", "v"))
	for i := 0; i < 100; i += 9 {
		requireValue(t, c, key("badsplit", i), fmt.Sprintf("v%d", i))
	}
}

// before runs `act` once, before the transaction's first request of that kind is sent.
func before(cmd tikvrpc.CmdType, act func()) interceptor.RPCInterceptor {
	var once sync.Once
	return func(next interceptor.RPCInterceptorFunc) interceptor.RPCInterceptorFunc {
		return func(target string, req *tikvrpc.Request) (*tikvrpc.Response, error) {
			if req.Type == cmd {
				once.Do(act)
			}
			return next(target, req)
		}
	}
}

// TestATransactionFindsItsKeysInNewRegions splits between the steps of a transaction, in every mode.
func TestATransactionFindsItsKeysInNewRegions(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	other := txnClient(t)
	for i, m := range allModes {
		for _, cmd := range []tikvrpc.CmdType{tikvrpc.CmdPessimisticLock, tikvrpc.CmdPrewrite, tikvrpc.CmdCommit} {
			if cmd == tikvrpc.CmdPessimisticLock && !m.pessimistic {
				continue
			}
			t.Run(fmt.Sprintf("%v before %v", m, cmd), func(t *testing.T) {
				prefix := fmt.Sprintf("move%d%d", i, cmd)
				put(t, c, values(10, prefix, "old"))
				txn := beginIn(t, c, m)
				txn.SetRPCInterceptor(before(cmd, func() { splitAt(t, other, prefix, 3, 6, 9) }))
				if m.pessimistic {
					var keys [][]byte
					for n := 0; n < 10; n++ {
						keys = append(keys, key(prefix, n))
					}
					require.NoError(t, lockOne(ctx, txn, 3000, keys...))
				}
				for n := 0; n < 10; n++ {
					require.NoError(t, txn.Set(key(prefix, n), []byte("new")))
				}
				require.NoError(t, txn.Commit(ctx))
				for n := 0; n < 10; n++ {
					requireValue(t, other, key(prefix, n), "new")
				}
				requireNoLocks(t, c, prefix)
			})
		}
	}
}

// TestLocksAndWaitersFollowTheirKeys splits a region that holds a pessimistic lock and somebody who waits for it.
func TestLocksAndWaitersFollowTheirKeys(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	other := txnClient(t)
	put(t, c, values(4, "follow", "old"))
	holder := beginIn(t, c, mode{pessimistic: true})
	require.NoError(t, lockOne(ctx, holder, 1000, key("follow", 0), key("follow", 3)))
	type outcome struct {
		err   error
		value string
		took  time.Duration
	}
	waited := make(chan outcome, 2)
	for _, n := range []int{0, 3} {
		go func() {
			began := time.Now()
			txn, err := other.Begin()
			if err != nil {
				waited <- outcome{err: err}
				return
			}
			txn.SetPessimistic(true)
			for {
				ts, _ := other.CurrentTimestamp("global")
				lock := lockContext(ts, 20_000)
				lock.InitReturnValues(1)
				err = txn.LockKeys(ctx, lock, key("follow", n))
				if !tikverr.IsErrWriteConflict(err) {
					waited <- outcome{err, string(lock.Values[string(key("follow", n))].Value), time.Since(began)}
					txn.Rollback()
					return
				}
			}
		}()
	}
	time.Sleep(200 * time.Millisecond)
	splitAt(t, c, "follow", 2)
	require.NotEqual(t, regionOf(t, c, key("follow", 0)).Id, regionOf(t, c, key("follow", 3)).Id)
	third := beginIn(t, c, mode{pessimistic: true})
	for _, n := range []int{0, 3} {
		require.ErrorIs(t, lockOne(ctx, third, -1, key("follow", n)), tikverr.ErrLockAcquireFailAndNoWaitSet, "the lock is still there")
	}
	time.Sleep(300 * time.Millisecond)
	require.Empty(t, waited)
	for _, n := range []int{0, 3} {
		require.NoError(t, holder.Set(key("follow", n), []byte("new")))
	}
	released := time.Now()
	require.NoError(t, holder.Commit(ctx))
	for range 2 {
		o := <-waited
		require.NoError(t, o.err)
		require.Equal(t, "new", o.value)
	}
	require.Less(t, time.Since(released), 4*time.Second)
	require.NoError(t, third.Rollback())
	requireNoLocks(t, c, "follow")
}

// TestNothingIsLostWhileRegionsSplit increments many counters in every mode while their region is cut to pieces.
func TestNothingIsLostWhileRegionsSplit(t *testing.T) {
	ctx := context.Background()
	c := txnClient(t)
	const counters, workers, each = 20, 4, 40
	errs := make(chan error, workers)
	for w := 0; w < workers; w++ {
		go func() {
			dice := rand.New(rand.NewSource(int64(w)))
			for i := 0; i < each; {
				m := allModes[dice.Intn(len(allModes))]
				err := incrementTwo(ctx, c, m, dice.Intn(counters-1))
				var deadlock *tikverr.ErrDeadlock
				if err == nil {
					i++
				} else if !tikverr.IsErrWriteConflict(err) && !asDeadlock(err, &deadlock) {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	done := 0
	for n := 1; done < workers; {
		select {
		case err := <-errs:
			require.NoError(t, err)
			done++
		case <-time.After(50 * time.Millisecond):
			if n < counters {
				splitAt(t, c, "cut", n*7%counters)
				n++
			}
		}
	}
	total := 0
	for i := 0; i < counters; i++ {
		v, err := get(t, c, key("cut", i))
		if tikverr.IsErrNotFound(err) {
			continue
		}
		require.NoError(t, err)
		n := 0
		fmt.Sscan(string(v), &n)
		total += n
	}
	require.Equal(t, workers*each*2, total)
	requireNoLocks(t, c, "cut")
}

func incrementTwo(ctx context.Context, c *txnkv.Client, m mode, first int) error {
	txn, err := c.Begin()
	if err != nil {
		return err
	}
	txn.SetPessimistic(m.pessimistic)
	txn.SetEnableAsyncCommit(m.async)
	txn.SetEnable1PC(m.onePC)
	for _, i := range []int{first, first + 1} {
		k := key("cut", i)
		var value []byte
		if m.pessimistic {
			ts, err := c.CurrentTimestamp("global")
			if err != nil {
				return err
			}
			lock := lockContext(ts, 10_000)
			lock.InitReturnValues(1)
			if err := txn.LockKeys(ctx, lock, k); err != nil {
				txn.Rollback()
				return err
			}
			value = lock.Values[string(k)].Value
		} else if value, err = txn.Get(ctx, k); err != nil && !tikverr.IsErrNotFound(err) {
			return err
		}
		n := 0
		fmt.Sscan(string(value), &n)
		if err := txn.Set(k, []byte(fmt.Sprint(n+1))); err != nil {
			return err
		}
	}
	return txn.Commit(ctx)
}
