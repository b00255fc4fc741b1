package process

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pingcap/kvproto/pkg/errorpb"
	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/stretchr/testify/require"

	"cairn.test/harness"
)

func noise(n int) []byte {
	bytes := make([]byte, n)
	rand.Read(bytes)
	return bytes
}

// rawPut is one write with all that the store says of it.
func (p *probe) rawPut(address string, opt kvrpcpb.DiskFullOpt, key, value []byte) (*errorpb.Error, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	context := p.context(address)
	context.DiskFullOpt = opt
	answer, err := tikvpb.NewTikvClient(p.conns[address]).RawPut(ctx,
		&kvrpcpb.RawPutRequest{Context: context, Key: key, Value: value})
	if err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s", answer.Error)
	}
	return answer.RegionError, nil
}

// squeeze keeps `left` bytes free on the disk of the directory, by a file that grows and shrinks, until it is stopped.
func squeeze(t *testing.T, dir string, left int64) (stop func()) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "others"))
	require.NoError(t, err)
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		size := int64(0)
		for {
			var disk syscall.Statfs_t
			if syscall.Statfs(dir, &disk) == nil {
				wanted := max(0, size+int64(disk.Bavail)*disk.Bsize-left)
				if wanted > size && syscall.Fallocate(int(file.Fd()), 0, size, wanted-size) == nil || wanted < size && file.Truncate(wanted) == nil {
					size = wanted
				}
			}
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			close(over)
			wg.Wait()
			file.Close()
			os.Remove(file.Name())
		})
	}
	t.Cleanup(stop)
	return stop
}

// TestAFullDiskRefusesWritesAndLosesNothing fills a small disk under a store: writes are refused before the last byte,
// reads go on and transactions can be ended, a kill -9 loses nothing, and with more room writes go on. What the store
// itself frees meanwhile (its log is cut) others take, so that it stays almost full.
func TestAFullDiskRefusesWritesAndLosesNothing(t *testing.T) {
	mount := func(dir, data string, flags uintptr) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", flags, data)
	}
	var dir string
	c, pdc := newCluster(t, harness.Options{Stores: 1, StoreConfig: "[storage]\nreserve-space = \"128MiB\"\n",
		Prepare: func(c *harness.Cluster) {
			dir = c.StoreDir(1)
			require.NoError(t, os.MkdirAll(dir, 0o755))
			if err := mount(dir, "size=400m", 0); err != nil {
				t.Skipf("a small disk cannot be mounted here: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		}})
	store := c.Stores[0]
	p := newProbe(t, c, pdc, []byte("x"))
	tikv := tikvpb.NewTikvClient(p.conns[store.Address])
	ctx := context.Background()
	prewrite := func(k string, startTs uint64) *kvrpcpb.PrewriteResponse {
		answer, err := tikv.KvPrewrite(ctx, &kvrpcpb.PrewriteRequest{Context: p.context(store.Address), PrimaryLock: []byte(k),
			StartVersion: startTs, LockTtl: 100000, Mutations: []*kvrpcpb.Mutation{{Op: kvrpcpb.Op_Put, Key: []byte(k), Value: []byte("v")}}})
		require.NoError(t, err)
		return answer
	}
	require.Nil(t, prewrite("txn/before", 10).RegionError)

	// Fill it. What was acknowledged is remembered.
	kept := map[string][]byte{}
	var full *errorpb.Error
	for i := 0; full == nil; i++ {
		require.Less(t, i, 4000, "the disk does not fill")
		k, v := key("fill", i), noise(128<<10)
		refused, err := p.rawPut(store.Address, kvrpcpb.DiskFullOpt_NotAllowedOnFull, k, v)
		require.NoError(t, err, "write %d", i)
		if refused == nil {
			kept[string(k)] = v
		} else if refused.DiskFull != nil {
			full = refused
		} else {
			time.Sleep(50 * time.Millisecond)
		}
	}
	require.Equal(t, []uint64{p.peers[store.Address].StoreId}, full.DiskFull.StoreId)
	require.NotEmpty(t, full.DiskFull.Reason)
	t.Logf("refused after %d writes of 128 KiB: %s", len(kept), full.Message)
	stop := squeeze(t, dir, 96<<20)
	time.Sleep(500 * time.Millisecond)

	check := func() {
		t.Helper()
		for k, v := range kept {
			value, ok := p.get(store.Address, []byte(k), 10*time.Second)
			require.True(t, ok, k)
			require.True(t, bytes.Equal(v, value), k)
		}
	}
	check()
	// No new transaction, but the old one can be ended.
	require.NotNil(t, prewrite("txn/after", 20).RegionError.GetDiskFull())
	// What the engine still writes of the flood may leave less than that for a moment.
	harness.Eventually(t, 20*time.Second, "the old transaction is ended", func() bool {
		rollback, err := tikv.KvBatchRollback(ctx, &kvrpcpb.BatchRollbackRequest{Context: p.context(store.Address),
			StartVersion: 10, Keys: [][]byte{[]byte("txn/before")}})
		require.NoError(t, err)
		if rollback.RegionError.GetDiskFull() != nil {
			return false
		}
		require.Nil(t, rollback.RegionError)
		require.Nil(t, rollback.Error)
		return true
	})
	require.True(t, store.Running())

	back := func() {
		t.Helper()
		harness.Eventually(t, 60*time.Second, "the store serves again", func() bool {
			_, ok := p.get(store.Address, []byte("fill"), time.Second)
			return ok
		})
	}
	store.Kill()
	c.Restart(store)
	back()
	check()
	refused, err := p.rawPut(store.Address, kvrpcpb.DiskFullOpt_NotAllowedOnFull, []byte("still"), []byte("v"))
	require.NoError(t, err)
	require.NotNil(t, refused.GetDiskFull(), "it is as full as before")

	stop()
	require.NoError(t, mount(dir, "size=800m", syscall.MS_REMOUNT))
	harness.Eventually(t, 20*time.Second, "writes are taken again", func() bool {
		refused, err := p.rawPut(store.Address, kvrpcpb.DiskFullOpt_NotAllowedOnFull, []byte("room"), []byte("v"))
		return err == nil && refused == nil
	})
	require.Nil(t, prewrite("txn/after", 30).RegionError)
	store.Kill()
	c.Restart(store)
	back()
	check()
}

// TestWritesFasterThanTheEngineAreToldToWaitAndMemoryStaysBounded writes flat out at a store with tiny memtables.
func TestWritesFasterThanTheEngineAreToldToWaitAndMemoryStaysBounded(t *testing.T) {
	c, pdc := newCluster(t, harness.Options{Stores: 1, StoreConfig: `
[rocksdb]
write-buffer-limit = "8MiB"
[rocksdb.defaultcf]
write-buffer-size = "1MiB"
[storage]
scheduler-pending-write-threshold = "8MiB"
[storage.block-cache]
capacity = "16MiB"
[storage.flow-control]
l0-files-threshold = 4
memtables-threshold = 2
`})
	store := c.Stores[0]
	p := newProbe(t, c, pdc, []byte("x"))
	value := noise(256 << 10)
	var written, busy atomic.Int64
	end := time.Now().Add(6 * time.Second)
	var wg sync.WaitGroup
	for w := 0; w < 64; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; time.Now().Before(end); n++ {
				refused, err := p.rawPut(store.Address, kvrpcpb.DiskFullOpt_NotAllowedOnFull, key(fmt.Sprintf("flow%d", w), n), value)
				if err != nil || refused.GetServerIsBusy() == nil && refused != nil {
					t.Errorf("a write is neither taken nor told to wait: %v, %v", refused, err)
					return
				}
				if refused == nil {
					written.Add(1)
					continue
				}
				busy.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	most := 0.0
	for time.Now().Before(end) {
		most = max(most, store.ResidentMB())
		time.Sleep(50 * time.Millisecond)
	}
	wg.Wait()
	t.Logf("%d writes of 256 KiB taken, %d told to wait, at most %.0f MB resident", written.Load(), busy.Load(), most)
	require.NotZero(t, written.Load())
	require.NotZero(t, busy.Load())
	require.Less(t, most, 600.0)
	harness.Eventually(t, 30*time.Second, "a write is taken afterwards", func() bool {
		refused, err := p.rawPut(store.Address, kvrpcpb.DiskFullOpt_NotAllowedOnFull, []byte("after"), value)
		return err == nil && refused == nil
	})
}
