package interop_pipelined

import (
	"fmt"
	"os"
	"testing"
)

// mainT lets TestMain use the harness, which wants a testing.TB.
type mainT struct {
	testing.TB
	cleanups []func()
	dirs     []string
}

func (m *mainT) Helper()                   {}
func (m *mainT) Cleanup(f func())          { m.cleanups = append(m.cleanups, f) }
func (m *mainT) Fatal(args ...any)         { fmt.Fprintln(os.Stderr, args...); m.cleanup(); os.Exit(1) }
func (m *mainT) Fatalf(f string, a ...any) { m.Fatal(fmt.Sprintf(f, a...)) }
func (m *mainT) Error(args ...any)         { fmt.Fprintln(os.Stderr, args...) }
func (m *mainT) Failed() bool              { return false }
func (m *mainT) TempDir() string {
	dir, err := os.MkdirTemp("", "cairn-pipelined")
	if err != nil {
		m.Fatal(err)
	}
	m.dirs = append(m.dirs, dir)
	return dir
}

func (m *mainT) cleanup() {
	for i := len(m.cleanups) - 1; i >= 0; i-- {
		m.cleanups[i]()
	}
	for _, dir := range m.dirs {
		os.RemoveAll(dir)
	}
}
