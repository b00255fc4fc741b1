package main

import (
	"fmt"
	"math/rand"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/rawkv"
	"github.com/tikv/client-go/v2/txnkv"

	"cairn.test/harness"
)

// operation is one thing that a client does, on random keys.
type operation struct {
	name string
	run  func(b *bench, random *rand.Rand) error
}

type commitMode struct {
	name          string
	isPessimistic bool
	asyncCommit   bool
	onePC         bool
}

func operations() []operation {
	ops := []operation{
		{"raw-get", (*bench).rawGet},
		{"raw-put", (*bench).rawPut},
		{"txn-get", (*bench).txnGet},
		{"snapshot-get", (*bench).snapshotGet},
	}
	for _, keys := range []int{1, 10} {
		for _, mode := range []commitMode{
			{name: "opt-2pc"}, {name: "opt-async", asyncCommit: true}, {name: "opt-1pc", onePC: true},
			{name: "pess-2pc", isPessimistic: true}, {name: "pess-async", isPessimistic: true, asyncCommit: true},
			{name: "pess-1pc", isPessimistic: true, onePC: true},
		} {
			ops = append(ops, operation{fmt.Sprintf("txn-%d-%s", keys, mode.name),
				func(b *bench, random *rand.Rand) error { return b.write(random, mode, keys) }})
		}
	}
	return ops
}

// bench is a loaded cluster and the clients that work on it.
type bench struct {
	cluster *harness.Cluster
	raw     *rawkv.Client
	txn     *txnkv.Client
	ts      uint64 // after the load
}

func newBench(t *program, cluster *harness.Cluster) *bench {
	raw, err := rawkv.NewClient(background, cluster.PDs(), config.Security{})
	if err != nil {
		t.Fatal(err)
	}
	txn, err := txnkv.NewClient(cluster.PDs())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{cluster: cluster, raw: raw, txn: txn}
}

func rawKey(i int) []byte { return []byte(fmt.Sprintf("raw/%010d", i)) }
func txnKey(i int) []byte { return []byte(fmt.Sprintf("txn/%010d", i)) }

func value(random *rand.Rand) []byte {
	v := make([]byte, *valueBytes)
	random.Read(v)
	return v
}

// load writes every key once.
func (b *bench) load(t *program) {
	const step = 500
	random := rand.New(rand.NewSource(1))
	for from := 0; from < *records/2; from += step {
		txn, err := b.txn.Begin()
		if err != nil {
			t.Fatal(err)
		}
		var keys, values [][]byte
		for i := from; i < min(from+step, *records/2); i++ {
			keys = append(keys, rawKey(i))
			values = append(values, value(random))
			txn.Set(txnKey(i), value(random))
		}
		if err := b.raw.BatchPut(background, keys, values); err != nil {
			t.Fatal(err)
		}
		if err := txn.Commit(background); err != nil {
			t.Fatal(err)
		}
	}
	ts, err := b.txn.CurrentTimestamp("global")
	if err != nil {
		t.Fatal(err)
	}
	b.ts = ts
}

func (b *bench) some(random *rand.Rand) int { return random.Intn(*records / 2) }

func (b *bench) rawGet(random *rand.Rand) error {
	_, err := b.raw.Get(background, rawKey(b.some(random)))
	return err
}

func (b *bench) rawPut(random *rand.Rand) error {
	return b.raw.Put(background, rawKey(b.some(random)), value(random))
}

// txnGet is a whole reading transaction: a timestamp and a point get.
func (b *bench) txnGet(random *rand.Rand) error {
	txn, err := b.txn.Begin()
	if err != nil {
		return err
	}
	_, err = txn.Get(background, txnKey(b.some(random)))
	return err
}

// snapshotGet is the point get alone.
func (b *bench) snapshotGet(random *rand.Rand) error {
	_, err := b.txn.GetSnapshot(b.ts).Get(background, txnKey(b.some(random)))
	return err
}

func (b *bench) write(random *rand.Rand, mode commitMode, count int) error {
	txn, err := b.txn.Begin()
	if err != nil {
		return err
	}
	txn.SetPessimistic(mode.isPessimistic)
	txn.SetEnableAsyncCommit(mode.asyncCommit)
	txn.SetEnable1PC(mode.onePC)
	picked := map[int]bool{}
	for len(picked) < count {
		picked[b.some(random)] = true
	}
	var keys [][]byte
	for i := range picked {
		keys = append(keys, txnKey(i))
	}
	// In order, so that two transactions never wait for each other in a circle.
	sort.Slice(keys, func(i, j int) bool { return string(keys[i]) < string(keys[j]) })
	if mode.isPessimistic {
		lock := kv.NewLockCtx(txn.StartTS(), kv.LockAlwaysWait, time.Now())
		if err := txn.LockKeys(background, lock, keys...); err != nil {
			txn.Rollback()
			return err
		}
	}
	for _, key := range keys {
		if err := txn.Set(key, value(random)); err != nil {
			return err
		}
	}
	return txn.Commit(background)
}

// result of one operation; latencies and CPU in microseconds.
type result struct {
	perSecond, p50, p99     float64
	errors                  int
	stores, leader, pd      float64
	operations              float64
	storeThreads, pdThreads threadTimes
}

func (b *bench) measure(op operation) result {
	var stop, count atomic.Bool
	latencies := make([][]float64, *goroutines)
	failures := make([]int, *goroutines)
	var workers sync.WaitGroup
	for w := 0; w < *goroutines; w++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			random := rand.New(rand.NewSource(int64(w) + 7))
			for !stop.Load() {
				begin := time.Now()
				err := op.run(b, random)
				if !count.Load() {
					continue
				}
				latencies[w] = append(latencies[w], float64(time.Since(begin).Nanoseconds())/1e3)
				if err != nil {
					failures[w]++
				}
			}
		}()
	}
	time.Sleep(time.Second)
	before, began := usageOf(b.cluster), time.Now()
	count.Store(true)
	time.Sleep(*duration)
	count.Store(false)
	used, took := usageOf(b.cluster).since(before), time.Since(began)
	stop.Store(true)
	workers.Wait()

	var all []float64
	errors := 0
	for w := range latencies {
		all = append(all, latencies[w]...)
		errors += failures[w]
	}
	sort.Float64s(all)
	n := float64(len(all))
	r := result{errors: errors, operations: n}
	if n == 0 {
		return r
	}
	r.perSecond = n / took.Seconds()
	r.p50, r.p99 = all[len(all)/2], all[len(all)*99/100]
	r.pd = used.pd.total() / n
	for _, store := range used.stores {
		r.stores += store.total() / n
		r.leader = max(r.leader, store.total()/n)
	}
	r.storeThreads, r.pdThreads = used.storesByThread(), used.pd
	return r
}
