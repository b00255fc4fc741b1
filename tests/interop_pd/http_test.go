package interop_pd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pdhttp "github.com/tikv/pd/client/http"

	"cairn.test/harness"
)

// The official HTTP client finds on the client port what it and a SQL server ask for.
func TestHttpClient(t *testing.T) {
	p := harness.StartPlayground(t)
	client := pdhttp.NewClient("interop", []string{p.PD})
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	get := func(path string) (int, string) {
		answer, err := http.Get("http://" + p.PD + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}

	t.Run("what it is", func(t *testing.T) {
		status, err := client.GetStatus(ctx)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(status.Version, "v"))
		require.NotZero(t, status.StartTimestamp)
		version, err := client.GetPDVersion(ctx)
		require.NoError(t, err)
		require.Equal(t, status.Version, version)
		members, err := client.GetMembers(ctx)
		require.NoError(t, err)
		require.Len(t, members.Members, 1)
		require.Equal(t, members.Members[0].MemberId, members.Leader.MemberId)
		leader, err := client.GetLeader(ctx)
		require.NoError(t, err)
		require.Equal(t, members.Leader.GetName(), leader.GetName())
		health, err := client.GetHealthStatus(ctx)
		require.NoError(t, err)
		require.True(t, health[0].Health)
		cluster, err := client.GetCluster(ctx)
		require.NoError(t, err)
		require.Equal(t, members.Header.ClusterId, cluster.Id)
		state, err := client.GetClusterStatus(ctx)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), state.RaftBootstrapTime, 10*time.Minute)
		_, err = client.GetClusterVersion(ctx)
		require.NoError(t, err)
		services, err := client.GetMicroserviceMembers(ctx, "tso")
		require.NoError(t, err)
		require.Empty(t, services)
	})

	t.Run("stores and regions", func(t *testing.T) {
		harness.Eventually(t, 30*time.Second, "the replicas are made", func() bool {
			state, err := client.GetRegionsReplicatedStateByKeyRange(ctx, pdhttp.NewKeyRange(nil, nil))
			return err == nil && state == "REPLICATED"
		})
		stores, err := client.GetStores(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, stores.Count)
		require.Equal(t, "Up", stores.Stores[0].Store.StateName)
		require.NotEmpty(t, stores.Stores[0].Store.StatusAddress)
		store, err := client.GetStore(ctx, uint64(stores.Stores[0].Store.ID))
		require.NoError(t, err)
		require.Equal(t, stores.Stores[0].Store.Address, store.Store.Address)
		_, err = client.GetStore(ctx, 1<<40)
		require.ErrorContains(t, err, "not found")

		regions, err := client.GetRegions(ctx)
		require.NoError(t, err)
		require.NotZero(t, regions.Count)
		first := regions.Regions[0]
		require.Len(t, first.Peers, 3)
		byID, err := client.GetRegionByID(ctx, uint64(first.ID))
		require.NoError(t, err)
		require.Equal(t, first.Peers, byID.Peers)
		byKey, err := client.GetRegionByKey(ctx, []byte("a key/+ %\x00\xff"))
		require.NoError(t, err)
		require.NotZero(t, byKey.ID)
		inRange, err := client.GetRegionsByKeyRange(ctx, pdhttp.NewKeyRange([]byte("a\xff"), []byte("b")), 10)
		require.NoError(t, err)
		require.EqualValues(t, 1, inRange.Count)
		ofStore, err := client.GetRegionsByStoreID(ctx, uint64(store.Store.ID))
		require.NoError(t, err)
		require.Equal(t, regions.Count, ofStore.Count)
		_, err = client.GetEmptyRegions(ctx)
		require.NoError(t, err)
		_, err = client.GetRegionSiblingsByID(ctx, uint64(first.ID))
		require.NoError(t, err)
		for _, onlyCount := range []bool{false, true} {
			stats, err := client.GetRegionStatusByKeyRange(ctx, pdhttp.NewKeyRange(nil, nil), onlyCount)
			require.NoError(t, err)
			require.EqualValues(t, regions.Count, stats.Count)
		}
		_, _, err = client.GetMinResolvedTSByStoresIDs(ctx, nil)
		require.NoError(t, err)
		_, ofStores, err := client.GetMinResolvedTSByStoresIDs(ctx, []uint64{uint64(store.Store.ID)})
		require.NoError(t, err)
		require.Len(t, ofStores, 1)
	})

	t.Run("settings", func(t *testing.T) {
		config, err := client.GetConfig(ctx)
		require.NoError(t, err)
		require.Contains(t, config, "schedule")
		replication, err := client.GetReplicateConfig(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 3, replication["max-replicas"])
		require.NoError(t, client.SetScheduleConfig(ctx, map[string]any{"replica-schedule-limit": 32}))
		schedule, err := client.GetScheduleConfig(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 32, schedule["replica-schedule-limit"])
		require.NoError(t, client.SetConfig(ctx, map[string]any{"schedule.replica-schedule-limit": 64}))
		require.ErrorContains(t, client.SetConfig(ctx, map[string]any{"no-such-setting": 1}), "not found")
	})

	t.Run("placement rules", func(t *testing.T) {
		bundles, err := client.GetAllPlacementRuleBundles(ctx)
		require.NoError(t, err)
		require.Len(t, bundles, 1)
		rule, err := client.GetPlacementRule(ctx, "pd", "default")
		require.NoError(t, err)
		require.Equal(t, 3, rule.Count)
		require.Equal(t, pdhttp.Voter, rule.Role)
		none, err := client.GetPlacementRulesByGroup(ctx, "TiDB_DDL_51")
		require.NoError(t, err)
		require.Empty(t, none)
		require.NoError(t, client.SetPlacementRule(ctx, rule))
		require.NoError(t, client.SetPlacementRuleBundles(ctx, []*pdhttp.GroupBundle{{ID: "TiDB_DDL_51"}}, true))
		require.NoError(t, client.DeletePlacementRule(ctx, "tiflash", "table-1-r"))
		rule.GroupID = "TiDB_DDL_51"
		require.ErrorContains(t, client.SetPlacementRule(ctx, rule), "not supported")
		groups, err := client.GetAllPlacementRuleGroups(ctx)
		require.NoError(t, err)
		require.Len(t, groups, 1)
	})

	t.Run("region labels", func(t *testing.T) {
		rule := &pdhttp.LabelRule{ID: "schema/test/t", Labels: []pdhttp.RegionLabel{{Key: "merge_option", Value: "deny"}},
			RuleType: "key-range", Data: []any{map[string]any{"start_key": "7480000000000000ff3300000000000000f8",
				"end_key": "7480000000000000ff3400000000000000f8"}}}
		require.NoError(t, client.SetRegionLabelRule(ctx, rule))
		rules, err := client.GetRegionLabelRulesByIDs(ctx, []string{"schema/test/t"})
		require.NoError(t, err)
		require.Len(t, rules, 1)
		require.Equal(t, rule.Labels, rules[0].Labels)
		require.NoError(t, client.PatchRegionLabelRules(ctx, &pdhttp.LabelRulePatch{DeleteRules: []string{"schema/test/t"}}))
		rules, err = client.GetAllRegionLabelRules(ctx)
		require.NoError(t, err)
		require.Empty(t, rules)
		rule.Labels[0] = pdhttp.RegionLabel{Key: "schedule", Value: "deny"}
		require.ErrorContains(t, client.SetRegionLabelRule(ctx, rule), "not supported")
	})

	t.Run("garbage collection and keyspaces", func(t *testing.T) {
		points, err := client.GetGCSafePoint(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, points.ServiceGCSafepoints)
		keyspace, err := client.GetKeyspaceMetaByName(ctx, "DEFAULT")
		require.NoError(t, err)
		require.Equal(t, "DEFAULT", keyspace.GetName())
	})

	t.Run("other requests and bad ones", func(t *testing.T) {
		for _, path := range []string{"/pd/api/v1/ping", "/ready", "/pd/api/v2/ready", "/metrics", "/status", "/health"} {
			status, _ := get(path)
			require.Equal(t, http.StatusOK, status, path)
		}
		for _, path := range []string{"/pd/api/v1/nothing", "/pd/api/v2/nothing", "/pd", "/pd/api/v1/region/id/77777"} {
			status, _ := get(path)
			require.Equal(t, http.StatusNotFound, status, path)
		}
		for _, path := range []string{"/pd/api/v1/region/id/x", "/pd/api/v1/regions/key?limit=x", "/pd/api/v1/store/x"} {
			status, body := get(path)
			require.Equal(t, http.StatusBadRequest, status, path)
			require.True(t, json.Valid([]byte(body)), body)
		}
		huge, err := http.Post("http://"+p.PD+"/pd/api/v1/config", "application/json", strings.NewReader(strings.Repeat("x", 8<<20)))
		if err == nil {
			huge.Body.Close()
			require.Equal(t, http.StatusRequestEntityTooLarge, huge.StatusCode)
		}
	})
}
