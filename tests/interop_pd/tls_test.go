package interop_pd

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pd "github.com/tikv/pd/client"
	"github.com/tikv/pd/client/opt"
	"github.com/tikv/pd/client/pkg/caller"

	"cairn.test/harness"
)

func TestCurrentPdClientOverTLS(t *testing.T) {
	a := harness.NewAuthority(t)
	a.Issue("node")
	a.Issue("client")
	c := harness.New(t, harness.Options{PDConfig: a.Security("cacert-path", "node"),
		StoreConfig: a.Security("ca-path", "node")})
	ctx := context.Background()
	client, err := pd.NewClientWithContext(ctx, caller.TestComponent, c.PDs(),
		pd.SecurityOption{CAPath: a.CA(), CertPath: a.Cert("client"), KeyPath: a.Key("client")},
		opt.WithCustomTimeoutOption(5*time.Second))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	last := int64(0)
	for i := 0; i < 100; i++ {
		physical, logical, err := client.GetTS(ctx)
		require.NoError(t, err)
		require.Greater(t, physical<<18+logical, last)
		last = physical<<18 + logical
	}
	harness.Eventually(t, 20*time.Second, "three stores and a region with three replicas", func() bool {
		stores, err := client.GetAllStores(ctx)
		if err != nil || len(stores) != 3 {
			return false
		}
		region, err := client.GetRegion(ctx, []byte("any key"))
		return err == nil && region != nil && region.Leader != nil && len(region.Meta.Peers) == 3
	})
	require.Equal(t, []string{"https://" + c.PD.Address}, client.GetServiceDiscovery().GetServiceURLs())
}
