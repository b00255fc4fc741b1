package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/metapb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/rawkv"
	"github.com/tikv/client-go/v2/txnkv"
	pdclient "github.com/tikv/pd/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cairn.test/harness"
)

const (
	ttlConfig = "[storage]\nenable-ttl = true\n"
	v2Config  = "[storage]\napi-version = 2\nenable-ttl = true\n"
	pdConfig  = "[keyspace]\npre-alloc = [\"tenant\"]\n"
)

// cluster starts one of its own, whose stores have that configuration, and waits until it serves with all replicas.
func cluster(t *testing.T, stores int, config string) *harness.Cluster {
	t.Helper()
	c := harness.New(t, harness.Options{Stores: stores, PDConfig: pdConfig, StoreConfig: config})
	for _, store := range c.Stores {
		harness.Eventually(t, 30*time.Second, store.Name+" serves", func() bool { return harness.StatusOK(store) })
	}
	settle(t, c)
	return c
}

// settle waits until every region has a voter on each store, a leader, and no peer that is down or behind.
func settle(t *testing.T, c *harness.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	client, err := pdclient.NewClientWithContext(ctx, c.PDs(), pdclient.SecurityOption{})
	require.NoError(t, err)
	defer client.Close()
	harness.Eventually(t, 60*time.Second, "every region has its replicas", func() bool {
		regions, err := client.ScanRegions(ctx, nil, nil, 1000)
		if err != nil || len(regions) == 0 {
			return false
		}
		for _, region := range regions {
			if region.Leader == nil || region.Leader.Id == 0 || len(region.Meta.Peers) != len(c.Stores) ||
				len(region.PendingPeers) > 0 || len(region.DownPeers) > 0 {
				return false
			}
			for _, peer := range region.Meta.Peers {
				if peer.Role != metapb.PeerRole_Voter {
					return false
				}
			}
		}
		return true
	})
}

func rawOf(t *testing.T, c *harness.Cluster, version kvrpcpb.APIVersion, keyspace string) *rawkv.Client {
	t.Helper()
	client, err := rawkv.NewClientWithOpts(context.Background(), c.PDs(), rawkv.WithAPIVersion(version),
		rawkv.WithKeyspace(keyspace))
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func txnOf(t *testing.T, c *harness.Cluster, version kvrpcpb.APIVersion, keyspace string) *txnkv.Client {
	t.Helper()
	client, err := txnkv.NewClient(c.PDs(), txnkv.WithAPIVersion(version), txnkv.WithKeyspace(keyspace))
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// splitRawAt cuts a region at the encoded form of a user key, as raw clients of V2 ask for it.
func splitRawAt(t *testing.T, c *harness.Cluster, userKey []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := pdclient.NewClientWithContext(ctx, c.PDs(), pdclient.SecurityOption{})
	require.NoError(t, err)
	defer client.Close()
	harness.Eventually(t, 20*time.Second, "the region is split", func() bool {
		region, err := client.GetRegion(ctx, memcomparable(userKey))
		if err != nil || region == nil || region.Leader == nil {
			return false
		}
		store, err := client.GetStore(ctx, region.Leader.StoreId)
		if err != nil {
			return false
		}
		conn, err := grpc.Dial(store.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return false
		}
		defer conn.Close()
		answer, err := tikvpb.NewTikvClient(conn).SplitRegion(ctx, &kvrpcpb.SplitRegionRequest{
			Context: &kvrpcpb.Context{RegionId: region.Meta.Id, RegionEpoch: region.Meta.RegionEpoch,
				Peer: region.Leader, ApiVersion: kvrpcpb.APIVersion_V2},
			SplitKeys: [][]byte{userKey}, IsRawKv: true})
		return err == nil && answer.RegionError == nil && len(answer.Regions) == 2
	})
}

func memcomparable(key []byte) []byte {
	var out []byte
	for {
		group := make([]byte, 8)
		n := copy(group, key)
		out = append(append(out, group...), byte(0xFF-(8-n)))
		key = key[n:]
		if n < 8 {
			return out
		}
	}
}

func requireRaw(t *testing.T, c *rawkv.Client, key, want string) {
	t.Helper()
	v, err := c.Get(context.Background(), []byte(key))
	require.NoError(t, err)
	if want == "" {
		require.Nil(t, v)
	} else {
		require.Equal(t, want, string(v))
	}
}

// rawBasics is what a raw client may expect of every API version.
func rawBasics(t *testing.T, c *rawkv.Client) {
	ctx := context.Background()
	require.NoError(t, c.Put(ctx, []byte("a"), []byte("1")))
	require.NoError(t, c.Put(ctx, []byte("a"), []byte("2")))
	requireRaw(t, c, "a", "2")
	require.NoError(t, c.Put(ctx, []byte("empty"), []byte{}))
	v, err := c.Get(ctx, []byte("empty"))
	require.NoError(t, err)
	require.NotNil(t, v)
	require.Empty(t, v)
	require.NoError(t, c.Delete(ctx, []byte("a")))
	requireRaw(t, c, "a", "")

	const n = 1000
	var keys, values [][]byte
	for i := 0; i < n; i++ {
		keys = append(keys, key("b", i))
		values = append(values, []byte(fmt.Sprint(i)))
	}
	require.NoError(t, c.BatchPut(ctx, keys, values))
	got, err := c.BatchGet(ctx, keys)
	require.NoError(t, err)
	require.Equal(t, values, got)
	found, _, err := c.Scan(ctx, key("b", 100), key("b", 900), 10000)
	require.NoError(t, err)
	require.Equal(t, keys[100:900], found)
	found, _, err = c.Scan(ctx, []byte("b"), nil, 7, rawkv.ScanKeyOnly())
	require.NoError(t, err)
	require.Equal(t, keys[:7], found)
	found, _, err = c.ReverseScan(ctx, key("b", 900), key("b", 100), 10000)
	require.NoError(t, err)
	require.Len(t, found, 800)
	require.Equal(t, keys[899], found[0])
	require.Equal(t, keys[100], found[799])
	sum, err := c.Checksum(ctx, []byte("b"), []byte("c"))
	require.NoError(t, err)
	require.EqualValues(t, n, sum.TotalKvs)
	require.NoError(t, c.BatchDelete(ctx, keys[:10]))
	require.NoError(t, c.DeleteRange(ctx, key("b", 10), key("b", 990)))
	found, _, err = c.Scan(ctx, []byte("b"), []byte("c"), 10000)
	require.NoError(t, err)
	require.Equal(t, keys[990:], found)
	require.NoError(t, c.Put(ctx, keys[0], []byte("again")))
	requireRaw(t, c, string(keys[0]), "again")

	c.SetAtomicForCAS(true)
	defer c.SetAtomicForCAS(false)
	_, ok, err := c.CompareAndSwap(ctx, []byte("cas"), nil, []byte("1"))
	require.NoError(t, err)
	require.True(t, ok)
	prev, ok, err := c.CompareAndSwap(ctx, []byte("cas"), []byte("0"), []byte("2"))
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, "1", string(prev))
	_, ok, err = c.CompareAndSwap(ctx, []byte("cas"), []byte("1"), []byte("2"))
	require.NoError(t, err)
	require.True(t, ok)
	requireRaw(t, c, "cas", "2")
}

// expiry: values that were put with a time to live go.
func expiry(t *testing.T, c *rawkv.Client) {
	ctx := context.Background()
	require.NoError(t, c.PutWithTTL(ctx, []byte("ttl/a"), []byte("1"), 2))
	require.NoError(t, c.PutWithTTL(ctx, []byte("ttl/b"), []byte("2"), 1000))
	require.NoError(t, c.BatchPutWithTTL(ctx, [][]byte{[]byte("ttl/c"), []byte("ttl/d")},
		[][]byte{[]byte("3"), []byte("4")}, []uint64{2, 0}))
	requireRaw(t, c, "ttl/a", "1")
	harness.Eventually(t, 10*time.Second, "the short-lived are gone", func() bool {
		found, _, err := c.Scan(ctx, []byte("ttl/"), []byte("ttl0"), 10)
		require.NoError(t, err)
		return len(found) == 2 && string(found[0]) == "ttl/b" && string(found[1]) == "ttl/d"
	})
	requireRaw(t, c, "ttl/a", "")
	requireRaw(t, c, "ttl/c", "")
	found, _, err := c.ReverseScan(ctx, []byte("ttl0"), []byte("ttl/"), 10)
	require.NoError(t, err)
	require.Len(t, found, 2)
}

func TestApiV1TtlKeepsRawValuesWithExpiry(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 1, ttlConfig)
	client := rawOf(t, c, kvrpcpb.APIVersion_V1TTL, "")
	rawBasics(t, client)
	expiry(t, client)
	left, err := client.GetKeyTTL(ctx, []byte("ttl/b"))
	require.NoError(t, err)
	require.InDelta(t, 1000, *left, 20)
	left, err = client.GetKeyTTL(ctx, []byte("ttl/d"))
	require.NoError(t, err)
	require.Zero(t, *left)
	left, err = client.GetKeyTTL(ctx, []byte("ttl/a"))
	require.NoError(t, err)
	require.Nil(t, left)

	txn, err := txnOf(t, c, kvrpcpb.APIVersion_V1, "").Begin()
	require.NoError(t, err)
	require.NoError(t, txn.Set([]byte("x"), []byte("1")))
	err = txn.Commit(ctx)
	require.ErrorContains(t, err, "ApiVersionNotMatched")
}

func TestApiV2RawIsSplitIntoKeyspaces(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 3, v2Config)
	one := rawOf(t, c, kvrpcpb.APIVersion_V2, "")
	other := rawOf(t, c, kvrpcpb.APIVersion_V2, "tenant")
	splitRawAt(t, c, []byte("r\x00\x00\x00b/000500"))
	splitRawAt(t, c, []byte("r\x00\x00\x01"))
	rawBasics(t, one)
	requireRaw(t, other, "cas", "")
	rawBasics(t, other)
	expiry(t, one)
	require.NoError(t, other.Put(ctx, []byte("cas"), []byte("tenant's")))
	requireRaw(t, one, "cas", "2")
	found, _, err := other.Scan(ctx, nil, nil, 10000)
	require.NoError(t, err)
	require.Len(t, found, 10+1+2) // what rawBasics leaves
	_, err = rawkv.NewClientWithOpts(ctx, c.PDs(), rawkv.WithAPIVersion(kvrpcpb.APIVersion_V2),
		rawkv.WithKeyspace("nobody"))
	require.ErrorContains(t, err, "does not exist")
}

func TestApiV2TransactionsLiveBesideRawData(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 1, v2Config)
	raw := rawOf(t, c, kvrpcpb.APIVersion_V2, "tenant")
	one := txnOf(t, c, kvrpcpb.APIVersion_V2, "")
	other := txnOf(t, c, kvrpcpb.APIVersion_V2, "tenant")
	big := strings.Repeat("v", 1000)
	txn := begin(t, other)
	for i := 0; i < 500; i++ {
		require.NoError(t, txn.Set(key("k", i), []byte(big)))
	}
	require.NoError(t, txn.Commit(ctx))
	require.NoError(t, raw.Put(ctx, key("k", 0), []byte("raw")))
	requireValue(t, other, key("k", 0), big)
	requireRaw(t, raw, string(key("k", 0)), "raw")
	requireAbsent(t, one, key("k", 0))
	txn = begin(t, other)
	it, err := txn.Iter(nil, nil)
	require.NoError(t, err)
	n := 0
	for ; it.Valid(); n++ {
		require.Equal(t, key("k", n), it.Key())
		require.NoError(t, it.Next())
	}
	require.Equal(t, 500, n)
	require.NoError(t, txn.Rollback())
	found, _, err := raw.Scan(ctx, nil, nil, 100)
	require.NoError(t, err)
	require.Equal(t, [][]byte{key("k", 0)}, found)

	// A SQL layer goes on speaking V1, of its own keys.
	old := txnOf(t, c, kvrpcpb.APIVersion_V1, "")
	txn = begin(t, old)
	require.NoError(t, txn.Set([]byte("t_row"), []byte("1")))
	require.NoError(t, txn.Commit(ctx))
	requireValue(t, old, []byte("t_row"), "1")
	txn = begin(t, old)
	require.NoError(t, txn.Set([]byte("anything"), []byte("1")))
	require.ErrorContains(t, txn.Commit(ctx), "InvalidKeyMode")
}

func TestApiV2TheNewestValueWinsWhateverLeads(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 3, v2Config)
	client := rawOf(t, c, kvrpcpb.APIVersion_V2, "")
	for round := 0; round < 3; round++ {
		for i := 0; i < 200; i++ {
			require.NoError(t, client.Put(ctx, key("n", i), []byte(fmt.Sprintf("%d-%d", round, i))))
		}
		store := c.Stores[round]
		store.Kill()
		for i := 0; i < 200; i += 2 {
			require.NoError(t, client.Put(ctx, key("n", i), []byte(fmt.Sprintf("%d+%d", round, i))))
		}
		for i := 0; i < 200; i++ {
			want := fmt.Sprintf("%d-%d", round, i)
			if i%2 == 0 {
				want = fmt.Sprintf("%d+%d", round, i)
			}
			requireRaw(t, client, string(key("n", i)), want)
		}
		c.Restart(store)
		harness.Eventually(t, 30*time.Second, "it is back", func() bool { return harness.StatusOK(store) })
		settle(t, c)
	}
}

func TestApiVersionsThatDoNotMatchAreRefused(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 1, v2Config)
	old := rawOf(t, c, kvrpcpb.APIVersion_V1, "")
	require.ErrorContains(t, old.Put(ctx, []byte("a"), []byte("1")), "ApiVersionNotMatched")
	_, err := old.Get(ctx, []byte("a"))
	require.ErrorContains(t, err, "ApiVersionNotMatched")
	plain, err := rawkv.NewClientWithOpts(ctx, []string{pd}, rawkv.WithAPIVersion(kvrpcpb.APIVersion_V2))
	require.NoError(t, err)
	defer plain.Close()
	require.ErrorContains(t, plain.Put(ctx, []byte("a"), []byte("1")), "ApiVersionNotMatched")
	txn, err := txnkv.NewClient([]string{pd}, txnkv.WithAPIVersion(kvrpcpb.APIVersion_V2))
	require.NoError(t, err)
	defer txn.Close()
	_, err = get(t, txn, []byte("a"))
	require.False(t, tikverr.IsErrNotFound(err))
	require.ErrorContains(t, err, "ApiVersionNotMatched")
}

func TestADataDirectoryKeepsItsApiVersion(t *testing.T) {
	ctx := context.Background()
	c := cluster(t, 1, "")
	client := rawOf(t, c, kvrpcpb.APIVersion_V1, "")
	require.NoError(t, client.Put(ctx, []byte("a"), []byte("1")))
	store := c.Stores[0]
	store.Stop()
	c.SetStoreConfig(v2Config)
	c.Restart(store)
	require.Equal(t, 1, store.ExitCode())
	require.Contains(t, store.LogText(), "unable to switch `storage.api-version` from V1 to V2")
	c.SetStoreConfig("")
	c.Restart(store)
	harness.Eventually(t, 30*time.Second, "it serves again", func() bool { return harness.StatusOK(store) })
	requireRaw(t, client, "a", "1")
}
