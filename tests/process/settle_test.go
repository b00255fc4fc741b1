package process

import (
	"context"
	"testing"
	"time"

	pd "github.com/tikv/pd/client"

	"cairn.test/harness"
)

// settle waits until every region has a leader on a living store and no peer is down or pending.
func settle(t *testing.T, c *harness.Cluster, client pd.Client) {
	t.Helper()
	harness.Eventually(t, 90*time.Second, "every region has a leader and no peer is down or pending", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		regions, err := client.ScanRegions(ctx, nil, nil, 1000)
		if err != nil || len(regions) == 0 {
			return false
		}
		for _, region := range regions {
			if region.Leader == nil || region.Leader.StoreId == 0 || len(region.PendingPeers) > 0 || len(region.DownPeers) > 0 {
				return false
			}
			store, err := client.GetStore(ctx, region.Leader.StoreId)
			if err != nil || !storeAt(t, c, store.Address).Running() {
				return false
			}
		}
		return true
	})
}
