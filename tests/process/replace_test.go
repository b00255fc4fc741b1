package process

import (
	"context"
	"encoding/json"

	"math/rand"
	"os/exec"

	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

// digest is what `cairn ctl digest` says of one region in a data directory of a stopped store.
type digest struct {
	Region  uint64            `json:"region"`
	Applied uint64            `json:"applied"`
	Entries uint64            `json:"entries"`
	Cfs     map[string]string `json:"cfs"`
}

func digests(t *testing.T, dir string) []digest {
	t.Helper()
	out, err := exec.Command(harness.Binary(t), "ctl", "digest", "--data-dir", dir).Output()
	require.NoError(t, err, "%s", out)
	var all []digest
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var d digest
		require.NoError(t, json.Unmarshal([]byte(line), &d), line)
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Region < all[j].Region })
	return all
}

func load(t *testing.T, c *harness.Cluster, prefix string, n, size int) {
	t.Helper()
	client := rawClient(t, c)
	random := rand.New(rand.NewSource(1))
	for at := 0; at < n; {
		var keys, values [][]byte
		for ; at < n && len(keys) < 500; at++ {
			value := make([]byte, size)
			random.Read(value)
			keys = append(keys, key(prefix, at))
			values = append(values, value)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		require.NoError(t, client.BatchPut(ctx, keys, values))
		cancel()
	}
}

// requireEqualData stops all stores and compares what they hold, column family by column family.
func requireEqualData(t *testing.T, c *harness.Cluster, wantEntries uint64, stores ...int) {
	t.Helper()
	harness.Eventually(t, 120*time.Second, "all stores have applied the same index", func() bool {
		var applied []string
		for _, n := range stores {
			applied = append(applied, harness.Applied(c.Stores[n-1]))
		}
		for _, a := range applied {
			if a == "" || a != applied[0] {
				return false
			}
		}
		return true
	})
	for _, p := range c.Stores {
		if p.Running() {
			p.Stop()
		}
	}
	first := digests(t, c.StoreDir(stores[0]))
	require.NotEmpty(t, first)
	var entries uint64
	for _, d := range first {
		entries += d.Entries
	}
	require.GreaterOrEqual(t, entries, wantEntries)
	for _, n := range stores[1:] {
		other := digests(t, c.StoreDir(n))
		require.Equal(t, len(first), len(other))
		for i := range first {
			require.Equal(t, first[i].Region, other[i].Region)
			require.Equal(t, first[i].Cfs, other[i].Cfs, "region %d of store %d", first[i].Region, n)
		}
	}
}

// catchUp kills a follower, writes 100,000 keys and starts it again. Returns how many snapshots it installed then.
func catchUp(t *testing.T, storeConfig string) (*harness.Cluster, func() int) {
	t.Helper()
	c, pdc := newCluster(t, harness.Options{StoreConfig: storeConfig})
	lead := leader(t, c, pdc, []byte("x"))
	var away *harness.Process
	for _, p := range c.Stores {
		if p != lead {
			away = p
		}
	}
	installed := func() int { return strings.Count(away.LogText(), "installed a snapshot") }
	before := installed()
	away.Kill()
	load(t, c, "away", 100_000, 64)
	c.Restart(away)
	settle(t, c, pdc)
	return c, func() int { return installed() - before }
}

func TestAStoreThatWasAwayCatchesUpByLog(t *testing.T) {
	c, snapshots := catchUp(t, "[raftstore]\nraft-log-gc-count-limit = 1000000\nraft-log-gc-size-limit = \"1GiB\"\n")
	requireEqualData(t, c, 100_000, 1, 2, 3)
	require.Zero(t, snapshots())
}

func TestAStoreThatWasAwayCatchesUpBySnapshot(t *testing.T) {
	c, snapshots := catchUp(t, "[raftstore]\nraft-log-gc-tick-interval = \"500ms\"\nraft-log-gc-threshold = 10\n"+
		"raft-log-gc-count-limit = 100\nraft-log-gc-size-limit = \"1MiB\"\n")
	requireEqualData(t, c, 100_000, 1, 2, 3)
	require.NotZero(t, snapshots())
}

func TestAFourthStoreReplacesALostOne(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{PDConfig: "[schedule]\nmax-store-down-time = \"15s\"\n"})
	load(t, c, "lost", 5000, 64)
	lost := c.Stores[2]
	lost.Kill()
	fourth := c.AddStore()
	harness.Eventually(t, 120*time.Second, "the fourth store has the place of the lost one", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		regions, err := pdc.ScanRegions(ctx, nil, nil, 1000)
		if err != nil || len(regions) == 0 {
			return false
		}
		for _, region := range regions {
			addresses := map[string]bool{}
			for _, peer := range region.Meta.Peers {
				store, err := pdc.GetStore(ctx, peer.StoreId)
				if err != nil || peer.Role != 0 {
					return false
				}
				addresses[store.Address] = true
			}
			if len(addresses) != 3 || !addresses[fourth.Address] || addresses[lost.Address] || len(region.PendingPeers) > 0 {
				return false
			}
		}
		return true
	})
	requireEqualData(t, c, 5000, 1, 2, 4)
}

func TestTheDataIsThereAfterACleanRestartOfAll(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{})
	load(t, c, "clean", 2000, 100)
	for _, p := range append(c.Stores, c.PD) {
		p.Stop()
		require.Equal(t, 0, p.ExitCode(), "%s", p.LogText())
	}
	for _, p := range append(c.Stores, c.PD) {
		c.Restart(p)
	}
	settle(t, c, pdc)
	keys, _, err := rawClient(t, c).Scan(context.Background(), key("clean", 0), []byte("clean0"), 10000)
	require.NoError(t, err)
	require.Len(t, keys, 2000)
}
