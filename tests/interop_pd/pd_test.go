// Package interop_pd runs the current PD client, unchanged, against a real PD with real stores. It is a module of its
// own because it needs newer packages than the released client-go; it finds regions through the QueryRegion stream.
package interop_pd

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	rmpb "github.com/pingcap/kvproto/pkg/resource_manager"
	"github.com/stretchr/testify/require"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/clients/gc"
	"github.com/tikv/pd/client/clients/router"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"

	"cairn.test/harness"
)

func newClient(t *testing.T) pd.Client {
	t.Helper()
	p := harness.StartPlayground(t)
	client, err := pd.NewClientWithContext(context.Background(), caller.TestComponent, []string{p.PD}, pd.SecurityOption{},
		opt.WithCustomTimeoutOption(5*time.Second))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestCurrentPdClient(t *testing.T) {
	ctx := context.Background()
	client := newClient(t)

	t.Run("timestamps only grow, also among many callers", func(t *testing.T) {
		var wg sync.WaitGroup
		var lock sync.Mutex
		seen := map[int64]bool{}
		for w := 0; w < 8; w++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				last := int64(0)
				for i := 0; i < 500; i++ {
					physical, logical, err := client.GetTS(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					ts := physical<<18 + logical
					if ts <= last {
						t.Errorf("%d after %d", ts, last)
					}
					last = ts
					lock.Lock()
					if seen[ts] {
						t.Errorf("%d handed out twice", ts)
					}
					seen[ts] = true
					lock.Unlock()
				}
			}()
		}
		wg.Wait()
		require.Len(t, seen, 8*500)
	})

	t.Run("regions are found by key, by the key before, by id and by range", func(t *testing.T) {
		region, err := client.GetRegion(ctx, []byte("any key"))
		require.NoError(t, err)
		require.NotNil(t, region)
		require.NotNil(t, region.Leader)
		require.Len(t, region.Meta.Peers, 3)
		byID, err := client.GetRegionByID(ctx, region.Meta.Id)
		require.NoError(t, err)
		require.Equal(t, region.Meta, byID.Meta)
		unknown, err := client.GetRegionByID(ctx, 1<<40)
		require.NoError(t, err)
		require.Nil(t, unknown)
		all, err := client.ScanRegions(ctx, nil, nil, 100) //nolint:staticcheck
		require.NoError(t, err)
		require.NotEmpty(t, all)
		require.Empty(t, all[0].Meta.StartKey)
		require.Empty(t, all[len(all)-1].Meta.EndKey)
		batch, err := client.BatchScanRegions(ctx, []router.KeyRange{*router.NewKeyRange([]byte("a"), []byte("b")), *router.NewKeyRange([]byte("c"), []byte("d"))}, 100,
			opt.WithOutputMustContainAllKeyRange())
		require.NoError(t, err)
		require.NotEmpty(t, batch)
	})

	t.Run("stores", func(t *testing.T) {
		stores, err := client.GetAllStores(ctx)
		require.NoError(t, err)
		require.Len(t, stores, 3)
		store, err := client.GetStore(ctx, stores[0].Id)
		require.NoError(t, err)
		require.Equal(t, stores[0].Address, store.Address)
		_, err = client.GetStore(ctx, 1<<40)
		require.ErrorContains(t, err, "invalid store ID")
		require.ErrorContains(t, err, "not found")
	})

	t.Run("the GC safe point waits for barriers and never goes back", func(t *testing.T) {
		states := client.GetGCStatesClient(math.MaxUint32)
		controller := client.GetGCInternalController(math.MaxUint32)
		_, err := states.SetGCBarrier(ctx, "backup", 1000, time.Hour)
		require.NoError(t, err)
		result, err := controller.AdvanceTxnSafePoint(ctx, 2000)
		require.NoError(t, err)
		require.EqualValues(t, 1000, result.NewTxnSafePoint)
		_, err = states.DeleteGCBarrier(ctx, "backup")
		require.NoError(t, err)
		result, err = controller.AdvanceTxnSafePoint(ctx, 2000)
		require.NoError(t, err)
		require.EqualValues(t, 2000, result.NewTxnSafePoint)
		_, err = controller.AdvanceGCSafePoint(ctx, 1500)
		require.NoError(t, err)
		_, err = controller.AdvanceGCSafePoint(ctx, 3000)
		require.Error(t, err)
		state, err := states.GetGCState(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2000, state.TxnSafePoint)
		require.EqualValues(t, 1500, state.GCSafePoint)
		_, err = states.SetGCBarrier(ctx, "late", 1999, time.Hour)
		require.Error(t, err)
		_, err = states.SetGlobalGCBarrier(ctx, "for all", 2500, time.Hour)
		require.NoError(t, err)
		result, err = controller.AdvanceTxnSafePoint(ctx, 3000)
		require.NoError(t, err)
		require.EqualValues(t, 2500, result.NewTxnSafePoint)
		require.Contains(t, result.BlockerDescription, "for all")
		all, err := states.GetAllKeyspacesGCStates(ctx, gc.ExcludeGlobalGCBarriers(false))
		require.NoError(t, err)
		barriers, err := all.GetGlobalGCBarriers()
		require.NoError(t, err)
		require.Len(t, barriers, 1)
		_, err = states.DeleteGlobalGCBarrier(ctx, "for all")
		require.NoError(t, err)
		// The calls of old.
		_, err = client.UpdateServiceGCSafePoint(ctx, "cdc", 3600, 2600) //nolint:staticcheck
		require.NoError(t, err)
		reached, err := client.UpdateServiceGCSafePoint(ctx, "gc_worker", math.MaxInt64, 3000) //nolint:staticcheck
		require.NoError(t, err)
		require.EqualValues(t, 2600, reached)
		collected, err := client.UpdateGCSafePoint(ctx, 2600) //nolint:staticcheck
		require.NoError(t, err)
		require.EqualValues(t, 2600, collected)
	})
}

// What a client asks for when it connects is answered, or refused at once; nothing that PD leaves out costs a wait.
func TestTheCurrentPdClientConnectsAtOnce(t *testing.T) {
	ctx := context.Background()
	p := harness.StartPlayground(t)
	var connects []time.Duration
	for range 5 {
		start := time.Now()
		client, err := pd.NewClientWithContext(ctx, caller.TestComponent, []string{p.PD}, pd.SecurityOption{},
			opt.WithCustomTimeoutOption(5*time.Second))
		require.NoError(t, err)
		_, _, err = client.GetTS(ctx)
		require.NoError(t, err)
		connects = append(connects, time.Since(start))
		client.Close()
	}
	slices.Sort(connects)
	t.Logf("connect and a first timestamp: median %v, worst %v", connects[2], connects[4])
	require.Less(t, connects[2], time.Second)

	client, err := pd.NewClientWithContext(ctx, caller.TestComponent, []string{p.PD}, pd.SecurityOption{},
		opt.WithCustomTimeoutOption(5*time.Second))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	timed := func(what string, ask func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		start := time.Now()
		ask(ctx)
		t.Logf("%s: %v", what, time.Since(start))
		require.Less(t, time.Since(start), time.Second, what)
	}
	timed("MetaStorage", func(ctx context.Context) {
		_, err := client.Put(ctx, []byte("resource_group/settings/test"), []byte("1"))
		require.NoError(t, err)
		response, err := client.Get(ctx, []byte("resource_group/settings"), opt.WithPrefix())
		require.NoError(t, err)
		require.Len(t, response.Kvs, 1)
		require.Equal(t, "1", string(response.Kvs[0].Value))
	})
	timed("resource groups", func(ctx context.Context) {
		groups, err := client.ListResourceGroups(ctx)
		require.NoError(t, err)
		require.Len(t, groups, 1)
		require.Equal(t, "default", groups[0].Name)
		group := &rmpb.ResourceGroup{Name: "interop"}
		_, err = client.AddResourceGroup(ctx, group)
		require.ErrorContains(t, err, "mode")
		group.Mode = rmpb.GroupMode_RUMode
		group.RUSettings = &rmpb.GroupRequestUnitSettings{RU: &rmpb.TokenBucket{
			Settings: &rmpb.TokenLimitSettings{FillRate: 100}}}
		_, err = client.AddResourceGroup(ctx, group)
		require.NoError(t, err)
		group.RUSettings.RU.Settings.FillRate = 200
		_, err = client.ModifyResourceGroup(ctx, group)
		require.NoError(t, err)
		found, err := client.GetResourceGroup(ctx, "interop")
		require.NoError(t, err)
		require.EqualValues(t, 200, found.RUSettings.RU.Settings.FillRate)
		granted, err := client.AcquireTokenBuckets(ctx, &rmpb.TokenBucketsRequest{ClientUniqueId: 7,
			TargetRequestPeriodMs: 5000, Requests: []*rmpb.TokenBucketRequest{{ResourceGroupName: "interop",
				Request: &rmpb.TokenBucketRequest_RuItems{RuItems: &rmpb.TokenBucketRequest_RequestRU{
					RequestRU: []*rmpb.RequestUnitItem{{Value: 50}}}}}}})
		require.NoError(t, err)
		require.EqualValues(t, 50, granted[0].GrantedRUTokens[0].GrantedTokens.Tokens)
		_, err = client.DeleteResourceGroup(ctx, "interop")
		require.NoError(t, err)
	})
	timed("Watch", func(ctx context.Context) {
		events, err := client.Watch(ctx, []byte("watched/"), opt.WithPrefix())
		require.NoError(t, err)
		// The watch begins by itself some time; what was put before it is not told.
		done := make(chan struct{})
		go func() {
			defer close(done)
			told := <-events
			if told == nil || len(told.Events) == 0 || string(told.Events[0].Kv.Key) != "watched/a" {
				t.Errorf("told of %v", told)
			}
		}()
		harness.Eventually(t, 10*time.Second, "the watch tells of a change", func() bool {
			_, err := client.Put(ctx, []byte("watched/a"), []byte("1"))
			require.NoError(t, err)
			select {
			case <-done:
				return true
			case <-time.After(50 * time.Millisecond):
				return false
			}
		})
	})
}
