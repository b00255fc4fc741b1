package interop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"cairn.test/harness"
)

// etcd's own client, unchanged, takes the meta store for an etcd.
func newEtcd(t *testing.T, endpoint string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func nextEvents(t *testing.T, watch clientv3.WatchChan) clientv3.WatchResponse {
	t.Helper()
	select {
	case told, ok := <-watch:
		require.True(t, ok, "the watch ended")
		return told
	case <-time.After(20 * time.Second):
		t.Fatal("the watch is silent")
		return clientv3.WatchResponse{}
	}
}

func TestEtcdClient(t *testing.T) {
	p := harness.StartPlayground(t)
	etcd := newEtcd(t, p.PD)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()

	t.Run("a watch has each change of a prefix, with what was there before", func(t *testing.T) {
		watch := etcd.Watch(ctx, "watched/", clientv3.WithPrefix(), clientv3.WithPrevKV())
		created := etcd.Watch(ctx, "watched/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		require.True(t, nextEvents(t, created).Created)
		_, err := etcd.Put(ctx, "watched/a", "1")
		require.NoError(t, err)
		_, err = etcd.Put(ctx, "elsewhere", "1")
		require.NoError(t, err)
		_, err = etcd.Put(ctx, "watched/a", "2")
		require.NoError(t, err)
		_, err = etcd.Delete(ctx, "watched/", clientv3.WithPrefix())
		require.NoError(t, err)
		var events []*clientv3.Event
		for len(events) < 3 {
			events = append(events, nextEvents(t, watch).Events...)
		}
		require.True(t, events[0].IsCreate())
		require.True(t, events[1].IsModify())
		require.Equal(t, "1", string(events[1].PrevKv.Value))
		require.Equal(t, mvccpb.DELETE, events[2].Type)
		require.Equal(t, "2", string(events[2].PrevKv.Value))
	})

	t.Run("a watch from a revision, what is compacted, and reads of the past", func(t *testing.T) {
		first, err := etcd.Put(ctx, "past", "1")
		require.NoError(t, err)
		second, err := etcd.Put(ctx, "past", "2")
		require.NoError(t, err)
		watch := etcd.Watch(ctx, "past", clientv3.WithRev(first.Header.Revision))
		told := nextEvents(t, watch)
		require.Len(t, told.Events, 2)
		old, err := etcd.Get(ctx, "past", clientv3.WithRev(first.Header.Revision))
		require.NoError(t, err)
		require.Equal(t, "1", string(old.Kvs[0].Value))
		_, err = etcd.Compact(ctx, second.Header.Revision)
		require.NoError(t, err)
		_, err = etcd.Get(ctx, "past", clientv3.WithRev(first.Header.Revision))
		require.Equal(t, rpctypes.ErrCompacted, err)
		_, err = etcd.Compact(ctx, first.Header.Revision)
		require.Equal(t, rpctypes.ErrCompacted, err)
		_, err = etcd.Get(ctx, "past", clientv3.WithRev(second.Header.Revision+1000))
		require.Equal(t, rpctypes.ErrFutureRev, err)
		late := nextEvents(t, etcd.Watch(ctx, "past", clientv3.WithRev(first.Header.Revision)))
		require.Equal(t, rpctypes.ErrCompacted, late.Err())
		require.Equal(t, second.Header.Revision, late.CompactRevision)
	})

	t.Run("filters, fragments and progress", func(t *testing.T) {
		puts := etcd.Watch(ctx, "filtered", clientv3.WithFilterDelete())
		deletions := etcd.Watch(ctx, "filtered", clientv3.WithFilterPut())
		large := etcd.Watch(ctx, "large", clientv3.WithPrefix(), clientv3.WithFragment())
		_, err := etcd.Put(ctx, "filtered", "1")
		require.NoError(t, err)
		_, err = etcd.Delete(ctx, "filtered")
		require.NoError(t, err)
		require.Equal(t, mvccpb.PUT, nextEvents(t, puts).Events[0].Type)
		require.Equal(t, mvccpb.DELETE, nextEvents(t, deletions).Events[0].Type)
		value := string(make([]byte, 300<<10))
		ops := []clientv3.Op{}
		for i := 0; i < 6; i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("large%d", i), value))
		}
		_, err = etcd.Txn(ctx).Then(ops...).Commit()
		require.NoError(t, err)
		require.Len(t, nextEvents(t, large).Events, 6, "the client puts the fragments together")
		require.NoError(t, etcd.RequestProgress(ctx))
		told := nextEvents(t, puts)
		require.True(t, told.IsProgressNotify())
	})

	t.Run("leases", func(t *testing.T) {
		lease, err := etcd.Grant(ctx, 60)
		require.NoError(t, err)
		_, err = etcd.Put(ctx, "leased", "1", clientv3.WithLease(lease.ID))
		require.NoError(t, err)
		left, err := etcd.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
		require.NoError(t, err)
		require.EqualValues(t, 60, left.GrantedTTL)
		require.Equal(t, [][]byte{[]byte("leased")}, left.Keys)
		all, err := etcd.Leases(ctx)
		require.NoError(t, err)
		require.Contains(t, all.Leases, clientv3.LeaseStatus{ID: lease.ID})
		watch := etcd.Watch(ctx, "leased")
		kept, err := etcd.KeepAliveOnce(ctx, lease.ID)
		require.NoError(t, err)
		require.EqualValues(t, 60, kept.TTL)
		_, err = etcd.Revoke(ctx, lease.ID)
		require.NoError(t, err)
		require.Equal(t, mvccpb.DELETE, nextEvents(t, watch).Events[0].Type)
		_, err = etcd.KeepAliveOnce(ctx, lease.ID)
		require.Equal(t, rpctypes.ErrLeaseNotFound, err)
		_, err = etcd.Put(ctx, "leased", "1", clientv3.WithLease(lease.ID))
		require.Equal(t, rpctypes.ErrLeaseNotFound, err)
		short, err := etcd.Grant(ctx, 1)
		require.NoError(t, err)
		require.EqualValues(t, 5, short.TTL, "no lease is shorter")
	})

	t.Run("members and maintenance", func(t *testing.T) {
		members, err := etcd.MemberList(ctx)
		require.NoError(t, err)
		require.Len(t, members.Members, 1)
		require.Contains(t, members.Members[0].ClientURLs[0], p.PD)
		status, err := etcd.Status(ctx, p.PD)
		require.NoError(t, err)
		require.Equal(t, members.Members[0].ID, status.Leader)
		one, err := etcd.HashKV(ctx, p.PD, 0)
		require.NoError(t, err)
		again, err := etcd.HashKV(ctx, p.PD, one.Header.Revision)
		require.NoError(t, err)
		require.Equal(t, one.Hash, again.Hash)
	})

	t.Run("one owner at a time in an election of ten", func(t *testing.T) {
		var owners, terms atomic.Int32
		var wg sync.WaitGroup
		for i := 0; i < 10; i++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				session, err := concurrency.NewSession(etcd, concurrency.WithTTL(30))
				if err != nil {
					t.Error(err)
					return
				}
				defer session.Close()
				election := concurrency.NewElection(session, "/election")
				if err := election.Campaign(ctx, fmt.Sprint(i)); err != nil {
					t.Error(err)
					return
				}
				if n := owners.Add(1); n != 1 {
					t.Errorf("%d owners", n)
				}
				terms.Add(1)
				time.Sleep(10 * time.Millisecond)
				owners.Add(-1)
				if err := election.Resign(ctx); err != nil {
					t.Error(err)
				}
			}()
		}
		wg.Wait()
		require.EqualValues(t, 10, terms.Load())
	})

	t.Run("a mutex that is lost with its session goes to who waits", func(t *testing.T) {
		first, err := concurrency.NewSession(etcd)
		require.NoError(t, err)
		second, err := concurrency.NewSession(etcd)
		require.NoError(t, err)
		defer second.Close()
		held := concurrency.NewMutex(first, "/lock")
		require.NoError(t, held.Lock(ctx))
		waiting := concurrency.NewMutex(second, "/lock")
		require.Equal(t, concurrency.ErrLocked, waiting.TryLock(ctx))
		done := make(chan error)
		go func() { done <- waiting.Lock(ctx) }()
		require.NoError(t, first.Close())
		require.NoError(t, <-done)
	})

	t.Run("software transactions", func(t *testing.T) {
		for _, isolation := range []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable,
			concurrency.RepeatableReads, concurrency.ReadCommitted} {
			for _, account := range []string{"stm/a", "stm/b"} {
				_, err := etcd.Put(ctx, account, "100")
				require.NoError(t, err)
			}
			var wg sync.WaitGroup
			for i := 0; i < 4; i++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for j := 0; j < 10; j++ {
						_, err := concurrency.NewSTM(etcd, func(stm concurrency.STM) error {
							var a, b int
							fmt.Sscan(stm.Get("stm/a"), &a)
							fmt.Sscan(stm.Get("stm/b"), &b)
							stm.Put("stm/a", fmt.Sprint(a-1))
							stm.Put("stm/b", fmt.Sprint(b+1))
							return nil
						}, concurrency.WithIsolation(isolation), concurrency.WithAbortContext(ctx))
						if err != nil {
							t.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			got, err := etcd.Get(ctx, "stm/b")
			require.NoError(t, err)
			if isolation == concurrency.SerializableSnapshot || isolation == concurrency.Serializable {
				require.Equal(t, "140", string(got.Kvs[0].Value))
			}
		}
	})
}

// Whatever happens to PD's process, a watcher sees each change once and in order, and an owner's key goes with its
// session.
func TestEtcdWatchesOutliveTheProcess(t *testing.T) {
	c := harness.New(t, harness.Options{Stores: 1})
	etcd := newEtcd(t, c.PD.Address)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	first, err := etcd.Put(ctx, "counter", "0")
	require.NoError(t, err)
	watch := etcd.Watch(ctx, "counter", clientv3.WithRev(first.Header.Revision))

	var seen []int64
	var lock sync.Mutex
	go func() {
		for told := range watch {
			lock.Lock()
			for _, event := range told.Events {
				seen = append(seen, event.Kv.Version)
			}
			lock.Unlock()
		}
	}()
	for round := 0; round < 5; round++ {
		for i := 0; i < 50; i++ {
			if _, err := etcd.Put(ctx, "counter", fmt.Sprint(i)); err != nil {
				t.Logf("a write that may or may not have happened: %v", err)
			}
		}
		c.PD.Kill()
		c.Restart(c.PD)
		harness.Eventually(t, 30*time.Second, "PD serves again", func() bool {
			short, done := context.WithTimeout(ctx, time.Second)
			defer done()
			_, err := etcd.Get(short, "counter")
			return err == nil
		})
	}
	last, err := etcd.Get(ctx, "counter")
	require.NoError(t, err)
	harness.Eventually(t, 30*time.Second, "the watcher has seen all", func() bool {
		lock.Lock()
		defer lock.Unlock()
		return int64(len(seen)) >= last.Kvs[0].Version
	})
	lock.Lock()
	defer lock.Unlock()
	require.Len(t, seen, int(last.Kvs[0].Version))
	for i, version := range seen {
		require.EqualValues(t, i+1, version)
	}
}
