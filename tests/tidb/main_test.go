// Package tidb runs TiDB, unchanged, on a playground: SQL in, rows out. TIDB_SERVER is the path of a tidb-server, which is
// built outside of this repository; GO_TPC, of go-tpc, for its TPC-C. Without TIDB_SERVER there is nothing to run.
package tidb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"cairn.test/harness"
	_ "github.com/go-sql-driver/mysql"
)

// One TiDB on a cluster of its own.
type server struct {
	cluster *harness.Cluster
	sqlPort int
	status  string
	db      *sql.DB
}

// start runs a cluster and a TiDB on it, and waits until TiDB has made its own tables there. TIDB_ADDRESS is, for trying by
// hand, the host:port of a TiDB that runs already, whatever it stands on; its status port is the next one.
func start(t *testing.T, options harness.Options) *server {
	t.Helper()
	if address := os.Getenv("TIDB_ADDRESS"); address != "" {
		s := &server{}
		var host string
		fmt.Sscanf(strings.Replace(address, ":", " ", 1), "%s %d", &host, &s.sqlPort)
		s.status = fmt.Sprintf("%s:%d", host, s.sqlPort+1)
		s.open(t)
		return s
	}
	binary := os.Getenv("TIDB_SERVER")
	if binary == "" {
		t.Skip("TIDB_SERVER is not set: the path of a tidb-server, to be run on the cluster")
	}
	s := &server{cluster: harness.New(t, options)}
	s.sqlPort = harness.FreePorts(t, 2)
	s.status = fmt.Sprintf("127.0.0.1:%d", s.sqlPort+1)
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "tidb.log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "--store=tikv", "--path="+s.cluster.PD.Address, "--host=127.0.0.1",
		"--advertise-address=127.0.0.1", "-P", fmt.Sprint(s.sqlPort), "--status-host=127.0.0.1",
		"--status", fmt.Sprint(s.sqlPort+1), "--socket="+filepath.Join(dir, "tidb.sock"),
		"--temp-dir="+filepath.Join(dir, "tmp"), "--log-slow-query="+filepath.Join(dir, "slow.log"), "-L", "info")
	command.Stdout, command.Stderr = log, log
	// It ends with the tests, however they end. The signal follows the thread that forked: keep it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			command.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		<-ended
		if keep := os.Getenv("TIDB_LOG"); keep != "" {
			text, _ := os.ReadFile(log.Name())
			os.WriteFile(keep, text, 0o644)
		}
	})
	harness.Eventually(t, 180*time.Second, "TiDB answers", func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("TiDB ended:\n%s", text[max(0, len(text)-4000):])
		default:
		}
		return s.get("/status") != nil
	})
	s.open(t)
	return s
}

func (s *server) open(t *testing.T) {
	t.Helper()
	var err error
	s.db, err = sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/test?interpolateParams=false", s.sqlPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	// Indexes are built by transactions; the other way writes files that stores take in, which ours do not yet.
	s.exec(t, "set global tidb_enable_dist_task = off")
	s.exec(t, "set global tidb_ddl_enable_fast_reorg = off")
}

// get asks TiDB's status port; nil: it does not answer, or not with 200.
func (s *server) get(path string) []byte {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get("http://" + s.status + path)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil || response.StatusCode != 200 {
		return nil
	}
	return body.Bytes()
}

// session is a connection of its own.
func (s *server) session(t *testing.T) *sql.Conn {
	t.Helper()
	connection, err := s.db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func (s *server) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Who runs statements: a session, or any of the pool's.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query runs one statement; its rows as text.
func query(q querier, statement string, args ...any) ([][]string, error) {
	rows, err := q.QueryContext(context.Background(), statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	result := [][]string{}
	for rows.Next() {
		cells := make([]sql.RawBytes, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i, cell := range cells {
			if row[i] = "NULL"; cell != nil {
				row[i] = string(cell)
			}
		}
		result = append(result, row)
	}
	return result, rows.Err()
}
