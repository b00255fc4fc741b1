package process

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// leaderCounts is how many leaders a store has, by its address.
func leaderCounts(t *testing.T, c *harness.Cluster) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, s := range storeStatuses(t, c) {
		out[s.Address] = s.Leaders
	}
	return out
}

// spread is the difference between the store with the most regions and the one with the fewest, of those that are up.
func spread(t *testing.T, c *harness.Cluster) int {
	t.Helper()
	least, most := 1<<30, 0
	for _, s := range storeStatuses(t, c) {
		if s.State == "Up" {
			least, most = min(least, s.Regions), max(most, s.Regions)
		}
	}
	return most - least
}

func TestAFourthStoreTakesItsShareAndOneThatLeavesGivesAllAway(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{
		StoreConfig: "[coprocessor]\nregion-split-size = \"1MiB\"\nregion-max-size = \"2MiB\"\n",
		PDConfig:    "[schedule]\ntolerant-size-ratio = 1\n"})
	load(t, c, "before", 20000, 2048)
	harness.Eventually(t, 120*time.Second, "there are regions to share", func() bool {
		return statusOf(t, c, c.Stores[0].Address).Regions >= 16
	})
	settle(t, c, pdc)
	stop := atWork(t, c)

	fourth := c.AddStore()
	harness.Eventually(t, 60*time.Second, "the fourth store serves", func() bool { return harness.StatusOK(fourth) })
	harness.Eventually(t, 180*time.Second, "the fourth store has its share of regions", func() bool {
		return statusOf(t, c, fourth.Address).Regions >= 10 && spread(t, c) <= 4
	})
	harness.Eventually(t, 60*time.Second, "and of leaders", func() bool { return leaderCounts(t, c)[fourth.Address] >= 2 })

	leaving := statusOf(t, c, c.Stores[0].Address)
	_, err := ctlStore(t, c, "delete", fmt.Sprint(leaving.ID))
	require.NoError(t, err)
	harness.Eventually(t, 240*time.Second, "the store that leaves is empty", func() bool {
		return statusOf(t, c, leaving.Address).State == "Tombstone"
	})
	acknowledged := stop()
	require.Greater(t, acknowledged, 100)
	requireEqualData(t, c, uint64(20000+acknowledged), 2, 3, 4)
}
