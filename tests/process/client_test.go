// Package process tests what happens to real processes: kill -9 at any moment, restarts, stores that were away, stores
// that are lost for good, bad directories and ports.
package process

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"
	pd "github.com/tikv/pd/client"

	"cairn.test/harness"
)

func newCluster(t *testing.T, options harness.Options) (*harness.Cluster, pd.Client) {
	t.Helper()
	c := harness.New(t, options)
	client := pdClient(t, c)
	n := options.Stores
	if n == 0 || n > 3 {
		n = 3
	}
	harness.Eventually(t, 60*time.Second, "the first region has its replicas and a leader", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		region, err := client.GetRegion(ctx, []byte("x"))
		return err == nil && region != nil && region.Leader != nil && region.Leader.Id != 0 && len(region.Meta.Peers) == n &&
			voters(region) == n && len(region.PendingPeers) == 0
	})
	return c, client
}

func voters(region *pd.Region) int {
	n := 0
	for _, peer := range region.Meta.Peers {
		if peer.Role == 0 {
			n++
		}
	}
	return n
}

func pdClient(t *testing.T, c *harness.Cluster) pd.Client {
	t.Helper()
	var client pd.Client
	harness.Eventually(t, 30*time.Second, "PD answers", func() bool {
		var err error
		client, err = pd.NewClient(c.PDs(), pd.SecurityOption{}, pd.WithCustomTimeoutOption(3*time.Second))
		return err == nil
	})
	t.Cleanup(client.Close)
	return client
}

func rawClient(t *testing.T, c *harness.Cluster) *rawkv.Client {
	t.Helper()
	client, err := rawkv.NewClient(context.Background(), c.PDs(), config.Security{})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// storeAt is the process that listens on an address.
func storeAt(t *testing.T, c *harness.Cluster, address string) *harness.Process {
	for _, p := range c.Stores {
		if p.Address == address {
			return p
		}
	}
	t.Fatalf("no store at %s", address)
	return nil
}

// leader is the process that leads the region of a key, as PD knows it now.
func leader(t *testing.T, c *harness.Cluster, client pd.Client, key []byte) *harness.Process {
	t.Helper()
	var found *harness.Process
	harness.Eventually(t, 30*time.Second, "PD knows a living leader", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		region, err := client.GetRegion(ctx, key)
		if err != nil || region == nil || region.Leader == nil || region.Leader.StoreId == 0 {
			return false
		}
		store, err := client.GetStore(ctx, region.Leader.StoreId)
		if err != nil {
			return false
		}
		found = storeAt(t, c, store.Address)
		return found.Running()
	})
	return found
}

func key(prefix string, i int) []byte { return []byte(fmt.Sprintf("%s/%08d", prefix, i)) }

func contains(text, part string) bool { return strings.Contains(text, part) }
