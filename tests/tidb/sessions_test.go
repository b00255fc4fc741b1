package tidb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cairn.test/harness"
)

func must(t *testing.T, q querier, statement string, args ...any) [][]string {
	t.Helper()
	rows, err := query(q, statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return rows
}

func expect(t *testing.T, q querier, expected, statement string) {
	t.Helper()
	lines := []string{}
	for _, row := range must(t, q, statement) {
		lines = append(lines, strings.Join(row, " "))
	}
	if got := strings.Join(lines, "; "); got != expected {
		t.Errorf("%s: %q, not %q", statement, got, expected)
	}
}

// What scripts cannot say, because several things happen at a time or depend on when: each part in a database of its own.
func TestSessions(t *testing.T) {
	s := start(t, harness.Options{})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *server)
	}{
		{"a_statement_waits_for_a_lock_and_goes_on", lockWait},
		{"a_deadlock_ends_one_of_the_two", deadlock},
		{"an_index_is_added_while_rows_are_written", indexWhileWriting},
		{"a_stale_read_sees_what_was", staleRead},
		{"a_table_is_split", splitTable},
		{"versions_of_a_row", versions},
		{"counters_of_many_sessions_add_up", counters},
		{"statistics", statistics},
	} {
		t.Run(part.name, func(t *testing.T) {
			s.exec(t, "drop database if exists sessions")
			s.exec(t, "create database sessions")
			part.run(t, s)
		})
	}
}

func (s *server) in(t *testing.T) *sql.Conn {
	c := s.session(t)
	must(t, c, "use sessions")
	return c
}

func lockWait(t *testing.T, s *server) {
	one, two := s.in(t), s.in(t)
	must(t, one, "create table t (id int primary key, v int)")
	must(t, one, "insert into t values (1, 1)")
	must(t, one, "begin pessimistic")
	must(t, one, "update t set v = v + 1 where id = 1")
	done := make(chan error, 1)
	go func() {
		_, err := query(two, "update t set v = v * 10 where id = 1")
		done <- err
	}()
	harness.Eventually(t, 10*time.Second, "the wait is told of", func() bool {
		return must(t, one, "select count(*) from information_schema.data_lock_waits")[0][0] == "1"
	})
	must(t, one, "commit")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expect(t, one, "20", "select v from t")
}

func deadlock(t *testing.T, s *server) {
	one, two := s.in(t), s.in(t)
	must(t, one, "create table t (id int primary key, v int)")
	must(t, one, "insert into t values (1, 1), (2, 2)")
	must(t, one, "begin pessimistic")
	must(t, two, "begin pessimistic")
	must(t, one, "update t set v = 0 where id = 1")
	must(t, two, "update t set v = 0 where id = 2")
	done := make(chan error, 1)
	go func() {
		_, err := query(one, "update t set v = 0 where id = 2")
		done <- err
	}()
	_, err := query(two, "update t set v = 0 where id = 1")
	if err == nil || !strings.Contains(err.Error(), "1213") {
		t.Fatalf("no deadlock: %v", err)
	}
	must(t, two, "rollback")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	must(t, one, "commit")
	expect(t, one, "2", "select count(*) from information_schema.deadlocks")
}

func indexWhileWriting(t *testing.T, s *server) {
	const rows = 200_000
	one := s.in(t)
	must(t, one, "create table t (id bigint primary key auto_increment, a int, b varchar(30), c decimal(10,2))")
	must(t, one, "insert into t (a, b, c) values (1, 'first', 1.5)")
	must(t, one, "set tidb_mem_quota_query = 8 << 30")
	for n := 1; n < rows; n *= 2 {
		must(t, one, fmt.Sprintf("insert into t (a, b, c) select a + %d, concat('b', a + %d), c + 1 from t limit %d", n, n, rows-n))
	}
	expect(t, one, fmt.Sprint(rows), "select count(*) from t")
	var stop atomic.Bool
	var written atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		c := s.in(t)
		writers.Add(1)
		go func() {
			defer writers.Done()
			dice := rand.New(rand.NewSource(int64(w)))
			for !stop.Load() {
				id := dice.Intn(rows)
				statement := fmt.Sprintf("update t set a = a + 1, b = concat(left(b, 10), '%d') where id = %d", id%100, id)
				switch dice.Intn(4) {
				case 0:
					statement = fmt.Sprintf("insert into t (a, b, c) values (%d, 'new', 2.5)", id)
				case 1:
					statement = fmt.Sprintf("delete from t where id = %d", id)
				}
				if _, err := query(c, statement); err != nil && !strings.Contains(err.Error(), "Information schema is changed") {
					t.Errorf("%s: %v", statement, err)
					return
				}
				written.Add(1)
			}
		}()
	}
	begun := time.Now()
	must(t, one, "alter table t add index ia (a), add index ib (b, c)")
	took := time.Since(begun)
	stop.Store(true)
	writers.Wait()
	must(t, one, "admin check table t")
	byIndex := must(t, one, "select count(*), sum(a) from t use index (ia) where a is not null")
	byTable := must(t, one, "select count(*), sum(a) from t ignore index (ia, ib)")
	if byIndex[0][0] != byTable[0][0] || byIndex[0][1] != byTable[0][1] {
		t.Errorf("by the index %v, by the table %v", byIndex, byTable)
	}
	t.Logf("two indexes on %d rows in %.1f s, with %d writes meanwhile", rows, took.Seconds(), written.Load())
	must(t, one, "alter table t drop index ib")
	must(t, one, "truncate table t")
	expect(t, one, "0", "select count(*) from t")
}

func staleRead(t *testing.T, s *server) {
	one := s.in(t)
	must(t, one, "create table t (id int primary key, v int, key (v))")
	must(t, one, "insert into t values (1, 1), (2, 2)")
	must(t, one, "select sleep(1)")
	then := must(t, one, "select now(6)")[0][0]
	must(t, one, "select sleep(1.1)")
	must(t, one, "update t set v = v + 10")
	must(t, one, "delete from t where id = 2")
	expect(t, one, "1 11", "select * from t")
	expect(t, one, "1 1; 2 2", "select * from t as of timestamp '"+then+"' order by id")
	expect(t, one, "2", "select v from t as of timestamp '"+then+"' where v = 2")
	expect(t, one, "1", "select v from t as of timestamp '"+then+"' where id = 1")
	must(t, one, "start transaction read only as of timestamp '"+then+"'")
	expect(t, one, "3", "select sum(v) from t")
	must(t, one, "commit")
	must(t, one, "set tidb_snapshot = '"+then+"'")
	expect(t, one, "1 1; 2 2", "select * from t order by id")
	must(t, one, "set tidb_snapshot = ''")
	must(t, one, "select sleep(1.2)")
	must(t, one, "set tidb_read_staleness = '-1'")
	expect(t, one, "1 11", "select * from t")
	must(t, one, "set tidb_read_staleness = ''")
}

func splitTable(t *testing.T, s *server) {
	one := s.in(t)
	must(t, one, "create table t (id bigint primary key, a int, key (a))")
	must(t, one, "insert into t with recursive n as (select 1 as i union all select i + 1 from n where i < 1000) select i, i % 100 from n")
	before := len(must(t, one, "show table t regions"))
	split := must(t, one, "split table t between (0) and (100000) regions 8")
	if split[0][0] != "8" && split[0][0] != "7" {
		t.Errorf("split into %v", split)
	}
	regions := must(t, one, "show table t regions")
	if len(regions) < before+7 {
		t.Errorf("%d regions, of %d before", len(regions), before)
	}
	must(t, one, "split table t index a by (10), (50), (90)")
	expect(t, one, "1000 500500 99", "select count(*), sum(id), max(a) from t")
	expect(t, one, "10 10; 90 10", "select a, count(*) from t where a in (10, 90) group by a order by a")
	expect(t, one, "126; 125; 124", "select id from t where id between 124 and 126 order by id desc")
	must(t, one, "admin check table t")
	// Of a row and an entry each, over all regions.
	if sum := must(t, one, "admin checksum table t"); len(sum) != 1 || sum[0][3] != "2000" {
		t.Errorf("the checksum: %v", sum)
	}
	must(t, one, "create table p (id int primary key, v int) shard_row_id_bits = 0 pre_split_regions = 0")
	must(t, one, "create table many (a int) shard_row_id_bits = 4 pre_split_regions = 3")
	harness.Eventually(t, 30*time.Second, "a table is split when it is made", func() bool {
		return len(must(t, one, "show table many regions")) >= 8
	})
}

func versions(t *testing.T, s *server) {
	one := s.in(t)
	must(t, one, "create table t (id int primary key, v int)")
	must(t, one, "insert into t values (1, 1)")
	must(t, one, "update t set v = 2 where id = 1")
	var key struct {
		Key   string
		Value struct {
			Info struct{ Writes []map[string]any }
		}
	}
	body := s.get("/mvcc/key/sessions/t/1")
	if err := json.Unmarshal(body, &key); err != nil || len(key.Value.Info.Writes) != 2 {
		t.Errorf("not two versions (%v) in %s", err, body)
	}
	for _, path := range []string{"/regions/meta", "/tables/sessions/t/regions", "/schema/sessions/t", "/info/all", "/ddl/history", "/db-table/1"} {
		if s.get(path) == nil && path != "/db-table/1" {
			t.Errorf("%s does not answer", path)
		}
	}
}

// Sessions that add 1 to counters, optimistic ones that try again and pessimistic ones that wait, and one that looks at the sum.
func counters(t *testing.T, s *server) {
	one := s.in(t)
	must(t, one, "create table t (id int primary key, v int, w int, key (v))")
	must(t, one, "insert into t values (1, 0, 0), (2, 0, 0), (3, 0, 0)")
	var added atomic.Int64
	var sessions sync.WaitGroup
	for n := range 6 {
		c := s.in(t)
		mode := []string{"optimistic", "pessimistic"}[n%2]
		sessions.Add(1)
		go func() {
			defer sessions.Done()
			dice := rand.New(rand.NewSource(int64(n)))
			for i := 0; i < 60; i++ {
				a := 1 + dice.Intn(3)
				failed := false
				for _, statement := range []string{"begin " + mode, fmt.Sprintf("update t set v = v + 1 where id = %d", a),
					fmt.Sprintf("update t set w = w - 1 where id = %d", 1+a%3), "commit"} {
					if _, err := query(c, statement); err != nil {
						failed = true
						query(c, "rollback")
						break
					}
				}
				if !failed {
					added.Add(1)
				}
			}
		}()
	}
	end := make(chan struct{})
	go func() { sessions.Wait(); close(end) }()
	for running := true; running; {
		select {
		case <-end:
			running = false
		default:
		}
		expect(t, one, "0", "select sum(v) + sum(w) from t")
	}
	expect(t, one, fmt.Sprint(added.Load()), "select sum(v) from t")
	must(t, one, "admin check table t")
}

func statistics(t *testing.T, s *server) {
	one := s.in(t)
	must(t, one, "create table t (id int primary key, a int, b varchar(20), c int as (a + 1), key (a), key ab (a, b), key (c), key p (b(2)))")
	must(t, one, "insert into t (id, a, b) with recursive n as (select 1 as i union all select i + 1 from n where i < 1000) select i, i % 10, concat('b', i % 100) from n")
	must(t, one, "analyze table t all columns")
	expect(t, one, "1000 0", "select count, modify_count from mysql.stats_meta m join information_schema.tables i on i.tidb_table_id = m.table_id where table_schema = 'sessions' and table_name = 't'")
	distinct := map[string]string{}
	for _, row := range must(t, one, "show stats_histograms where db_name = 'sessions' and table_name = 't'") {
		distinct[row[3]] = row[6]
	}
	for name, n := range map[string]string{"id": "1000", "a": "10", "b": "100", "ab": "100", "c": "10", "p": "10"} {
		if distinct[name] != n {
			t.Errorf("%s has %s distinct values in the statistics, not %s: %v", name, distinct[name], n, distinct)
		}
	}
	must(t, one, "create table common (a varchar(10), b int, primary key (a, b) clustered) partition by key (b) partitions 3")
	must(t, one, "insert into common select concat('x', a), id from t")
	must(t, one, "analyze table common")
	must(t, one, "analyze table t index ab")
	if _, err := s.db.ExecContext(context.Background(), "analyze table sessions.t with 3 buckets, 2 topn, 50 samples"); err != nil {
		t.Error(err)
	}
}
