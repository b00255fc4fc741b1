// Package interop runs the official Go client, unchanged, against a playground of real processes.
package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"

	"cairn.test/harness"
)

var pd string // of the playground that all tests of the package share; each test has its own key prefix

func TestMain(m *testing.M) {
	t := &mainT{}
	p := harness.StartPlayground(t)
	pd = p.PD
	code := m.Run()
	t.cleanup()
	os.Exit(code)
}

func rawClient(t *testing.T) *rawkv.Client {
	t.Helper()
	client, err := rawkv.NewClient(context.Background(), []string{pd}, config.Security{})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func key(prefix string, i int) []byte { return []byte(fmt.Sprintf("%s/%06d", prefix, i)) }

func TestRawPutGetDelete(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	require.NoError(t, c.Put(ctx, []byte("rpgd/a"), []byte("1")))
	v, err := c.Get(ctx, []byte("rpgd/a"))
	require.NoError(t, err)
	require.Equal(t, []byte("1"), v)
	require.NoError(t, c.Put(ctx, []byte("rpgd/a"), []byte("2")))
	v, err = c.Get(ctx, []byte("rpgd/a"))
	require.NoError(t, err)
	require.Equal(t, []byte("2"), v)
	require.NoError(t, c.Delete(ctx, []byte("rpgd/a")))
	v, err = c.Get(ctx, []byte("rpgd/a"))
	require.NoError(t, err)
	require.Nil(t, v)
}

func TestRawEmptyValueIsNotAbsent(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	require.NoError(t, c.Put(ctx, []byte("rev/a"), []byte{}))
	v, err := c.Get(ctx, []byte("rev/a"))
	require.NoError(t, err)
	require.NotNil(t, v)
	require.Empty(t, v)
	v, err = c.Get(ctx, []byte("rev/b"))
	require.NoError(t, err)
	require.Nil(t, v)
}

func TestRawBatches(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	const n = 3000
	var keys, values [][]byte
	for i := 0; i < n; i++ {
		keys = append(keys, key("rb", i))
		values = append(values, []byte(fmt.Sprintf("value-%d", i)))
	}
	require.NoError(t, c.BatchPut(ctx, keys, values))
	got, err := c.BatchGet(ctx, keys)
	require.NoError(t, err)
	require.Equal(t, values, got)
	require.NoError(t, c.BatchDelete(ctx, keys[:n/2]))
	got, err = c.BatchGet(ctx, keys)
	require.NoError(t, err)
	for i := range got {
		if i < n/2 {
			require.Nil(t, got[i])
		} else {
			require.Equal(t, values[i], got[i])
		}
	}
}

func TestRawScansInBothDirections(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	const n = 500
	for i := 0; i < n; i++ {
		require.NoError(t, c.Put(ctx, key("rs", i), []byte(fmt.Sprint(i))))
	}
	keys, values, err := c.Scan(ctx, key("rs", 100), key("rs", 200), 1000)
	require.NoError(t, err)
	require.Len(t, keys, 100)
	for i := range keys {
		require.Equal(t, key("rs", 100+i), keys[i])
		require.Equal(t, fmt.Sprint(100+i), string(values[i]))
	}
	keys, _, err = c.Scan(ctx, key("rs", 100), key("rs", 200), 10)
	require.NoError(t, err)
	require.Len(t, keys, 10)
	keys, values, err = c.ReverseScan(ctx, key("rs", 200), key("rs", 100), 1000)
	require.NoError(t, err)
	require.Len(t, keys, 100)
	require.Equal(t, key("rs", 199), keys[0])
	require.Equal(t, key("rs", 100), keys[99])
	require.Equal(t, "199", string(values[0]))
	keys, values, err = c.Scan(ctx, key("rs", 0), key("rs", 3), 10, rawkv.ScanKeyOnly())
	require.NoError(t, err)
	require.Len(t, keys, 3)
	require.Empty(t, values[0])
}

func TestRawDeleteRange(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	for i := 0; i < 100; i++ {
		require.NoError(t, c.Put(ctx, key("rdr", i), []byte("x")))
	}
	require.NoError(t, c.DeleteRange(ctx, key("rdr", 10), key("rdr", 90)))
	keys, _, err := c.Scan(ctx, []byte("rdr/"), []byte("rdr0"), 1000)
	require.NoError(t, err)
	require.Len(t, keys, 20)
	require.Equal(t, key("rdr", 9), keys[9])
	require.Equal(t, key("rdr", 90), keys[10])
}

func TestRawCompareAndSwap(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t).SetAtomicForCAS(true)
	prev, ok, err := c.CompareAndSwap(ctx, []byte("cas/a"), nil, []byte("1"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Nil(t, prev)
	prev, ok, err = c.CompareAndSwap(ctx, []byte("cas/a"), []byte("0"), []byte("2"))
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []byte("1"), prev)
	_, ok, err = c.CompareAndSwap(ctx, []byte("cas/a"), []byte("1"), []byte("2"))
	require.NoError(t, err)
	require.True(t, ok)
}

func TestRawChecksumCountsWhatIsThere(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	for i := 0; i < 10; i++ {
		require.NoError(t, c.Put(ctx, key("rck", i), []byte("0123456789")))
	}
	sum, err := c.Checksum(ctx, []byte("rck/"), []byte("rck0"))
	require.NoError(t, err)
	require.EqualValues(t, 10, sum.TotalKvs)
	require.EqualValues(t, 10*(len(key("rck", 0))+10), sum.TotalBytes)
}

func TestRawLargeValue(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 6<<20/16)
	require.NoError(t, c.Put(ctx, []byte("big/a"), big))
	v, err := c.Get(ctx, []byte("big/a"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, v))
	// Over the limit of one Raft entry (8 MiB): refused, and nothing changes.
	require.Error(t, c.Put(ctx, []byte("big/a"), bytes.Repeat([]byte("x"), 9<<20)))
	v, err = c.Get(ctx, []byte("big/a"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, v))
}

func TestRawTtlIsRefusedWhereItIsOff(t *testing.T) {
	ctx := context.Background()
	c := rawClient(t)
	require.Error(t, c.PutWithTTL(ctx, []byte("ttl/a"), []byte("1"), 10))
}
