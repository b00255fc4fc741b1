// Package harness starts real Cairn processes on free loopback ports for tests, and ends them afterwards.
//
// The binary is $CAIRN_BINARY, or build/release/cairn of this checkout. Process logs are kept and printed when a test
// fails.
package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Binary is the path of the program under test.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("CAIRN_BINARY")
	if path == "" {
		_, here, _, _ := runtime.Caller(0)
		path = filepath.Join(filepath.Dir(here), "..", "..", "build", "release", "cairn")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no binary to test: %v (./dev build makes it)", err)
	}
	return path
}

var portLock sync.Mutex

// Below the range from which the kernel takes ports for outgoing connections: a store that is started again must find
// its port free.
const firstPort, lastPort = 15000, 32000

var nextPort = firstPort + os.Getpid()%1000*16

// FreePorts finds n consecutive free loopback ports.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	portLock.Lock()
	defer portLock.Unlock()
	for try := 0; try < 2000; try++ {
		base := nextPort
		nextPort += n
		if nextPort+n > lastPort {
			nextPort = firstPort
		}
		free := true
		for port := base; port < base+n && free; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
			} else {
				l.Close()
			}
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// Process is one running program of the cluster.
type Process struct {
	Name    string
	Address string // host:port that clients dial
	Status  string // host:port of the status page
	Log     string // path
	cmd     *exec.Cmd
	prefix  []string // a command that runs the program
	args    []string
	done    chan struct{}
}

func start(t testing.TB, p *Process) {
	t.Helper()
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	line := append(append(append([]string{}, p.prefix...), Binary(t)), p.args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stdout = log
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Pdeathsig follows the thread that forked; keep it.
	started := make(chan error)
	done := make(chan struct{})
	p.done = done
	cmd := p.cmd
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s does not start: %v", p.Name, err)
	}
}

// Run starts the program with these arguments; what it prints goes to the log file. It is killed when the test is over.
func Run(t testing.TB, log string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: args[0], Log: log, args: args}
	start(t, p)
	t.Cleanup(func() {
		if p.Running() {
			p.Kill()
		}
	})
	return p
}

// Pid of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Stop ends it with SIGTERM and waits; SIGKILL after 20 s.
func (p *Process) Stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.Kill()
	}
}

// Signal sends any signal without waiting.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

func (p *Process) signal(s syscall.Signal) {
	p.cmd.Process.Signal(s)
	<-p.done
}

// Running tells whether the process lives.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode of an ended process.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// LogText is what the process has logged.
func (p *Process) LogText() string {
	text, _ := os.ReadFile(p.Log)
	return string(text)
}

// CPU seconds used by the process so far.
func (p *Process) CPU() float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+2:]))
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / 100
}

// Resident memory in MB.
func (p *Process) ResidentMB() float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
	if err != nil {
		return 0
	}
	var size, resident float64
	fmt.Sscan(string(stat), &size, &resident)
	return resident * 4096 / 1e6
}

// Cluster is PDs and stores, each a process that a test can kill and start again.
type Cluster struct {
	PD      *Process   // the first member
	Members []*Process // of PD
	Stores  []*Process
	Dir     string
	t       testing.TB
	base    int
	config  string
	// The configuration file of PD's members.
	pdConfig    string
	where       func(store int) (host string, prefix []string)
	pdHost      string
	storesMutex sync.Mutex
}

// Options of a cluster. Config texts are TOML.
type Options struct {
	Stores      int // 3 if 0; none if negative
	PDs         int // members of PD; 1 if 0
	PDConfig    string
	StoreConfig string
	// Where store n (from 1) runs: its address, and a command that runs the program there. Nil: on 127.0.0.1.
	Where  func(store int) (host string, prefix []string)
	PDHost string // 127.0.0.1 if empty
	// Called before anything starts; directories exist.
	Prepare func(c *Cluster)
}

// New starts a PD and its stores, and ends them when the test is over.
func New(t testing.TB, options Options) *Cluster {
	t.Helper()
	if options.Stores == 0 {
		options.Stores = 3
	}
	c := &Cluster{t: t, Dir: t.TempDir(), base: FreePorts(t, 64)}
	pdConfig := filepath.Join(c.Dir, "pd.toml")
	os.WriteFile(pdConfig, []byte(options.PDConfig), 0o644)
	c.config = filepath.Join(c.Dir, "store.toml")
	os.WriteFile(c.config, []byte(options.StoreConfig), 0o644)
	c.where, c.pdHost = options.Where, options.PDHost
	if c.pdHost == "" {
		c.pdHost = "127.0.0.1"
	}
	if options.Prepare != nil {
		options.Prepare(c)
	}
	c.pdConfig = pdConfig
	if options.PDs == 0 {
		options.PDs = 1
	}
	initial := []string{}
	for n := 1; n <= options.PDs; n++ {
		initial = append(initial, fmt.Sprintf("pd%d=http://%s", n, c.pdPort(n, 1)))
	}
	for n := 1; n <= options.PDs; n++ {
		c.addPD(n, "--initial-cluster", strings.Join(initial, ","))
	}
	c.PD = c.Members[0]
	for i := 0; i < options.Stores; i++ {
		c.AddStore()
	}
	t.Cleanup(c.close)
	return c
}

// pdPort is one of the ports of the n-th member of PD, counted from 1: 0 for clients, 1 for members, 2 for its status.
func (c *Cluster) pdPort(n, kind int) string {
	port := c.base + kind
	if n > 1 {
		port = c.base + 38 + 3*n + kind
	}
	return fmt.Sprintf("%s:%d", c.pdHost, port)
}

// PDDir is the data directory of the n-th member of PD, counted from 1.
func (c *Cluster) PDDir(n int) string {
	if n == 1 {
		return filepath.Join(c.Dir, "pd")
	}
	return filepath.Join(c.Dir, fmt.Sprintf("pd%d", n))
}

func (c *Cluster) addPD(n int, how ...string) *Process {
	name := fmt.Sprintf("pd%d", n)
	p := &Process{Name: name, Address: c.pdPort(n, 0), Status: c.pdPort(n, 2), Log: c.PDDir(n) + ".log", args: append([]string{
		"pd", "--name", name, "--data-dir", c.PDDir(n), "--client-urls", "http://" + c.pdPort(n, 0),
		"--status-addr", c.pdPort(n, 2), "--peer-urls", "http://" + c.pdPort(n, 1), "--config", c.pdConfig}, how...)}
	start(c.t, p)
	c.Members = append(c.Members, p)
	return p
}

// JoinPD starts one more member of PD, which joins the others.
func (c *Cluster) JoinPD(n int) *Process { return c.addPD(n, "--join", "http://"+c.PD.Address) }

// RejoinPD starts the n-th member of PD anew: it joins the others by way of one of them.
func (c *Cluster) RejoinPD(n int, at *Process) {
	p := c.Members[n-1]
	args := []string{}
	for i := 0; i < len(p.args); i++ {
		if p.args[i] == "--initial-cluster" || p.args[i] == "--join" {
			i++
			continue
		}
		args = append(args, p.args[i])
	}
	p.args = append(args, "--join", "http://"+at.Address)
	start(c.t, p)
}

// AddStore starts one more store.
func (c *Cluster) AddStore() *Process {
	n := len(c.Stores) + 1
	host, prefix := "127.0.0.1", []string(nil)
	if c.where != nil {
		host, prefix = c.where(n)
	}
	address := fmt.Sprintf("%s:%d", host, c.base+1+2*n)
	status := fmt.Sprintf("%s:%d", host, c.base+2+2*n)
	p := &Process{prefix: prefix, Name: fmt.Sprintf("store%d", n), Address: address, Status: status,
		Log: filepath.Join(c.Dir, fmt.Sprintf("store%d.log", n)), args: []string{
			"server", "--addr", address, "--status-addr", status, "--pd-endpoints", strings.Join(c.PDs(), ","),
			"--data-dir", c.StoreDir(n), "--config", c.config}}
	start(c.t, p)
	c.storesMutex.Lock()
	defer c.storesMutex.Unlock()
	c.Stores = append(c.Stores, p)
	return p
}

// AllStores is Stores, for who looks while some may be added.
func (c *Cluster) AllStores() []*Process {
	c.storesMutex.Lock()
	defer c.storesMutex.Unlock()
	return append([]*Process{}, c.Stores...)
}

// StoreDir is the data directory of the n-th store, counted from 1.
func (c *Cluster) StoreDir(n int) string { return filepath.Join(c.Dir, fmt.Sprintf("store%d", n)) }

// Restart starts a process that has ended, with the same arguments.
func (c *Cluster) Restart(p *Process) {
	c.t.Helper()
	if p.Running() {
		c.t.Fatalf("%s is running", p.Name)
	}
	start(c.t, p)
}

// RestartUnder starts a process that has ended, run by another command: taskset, prlimit.
func (c *Cluster) RestartUnder(p *Process, prefix ...string) {
	c.t.Helper()
	p.prefix = prefix
	c.Restart(p)
}

// SetStoreConfig changes what stores find in their configuration file when they start next.
func (c *Cluster) SetStoreConfig(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.config, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// PDs is what clients take as PD endpoints.
func (c *Cluster) PDs() []string {
	addresses := []string{}
	for _, member := range c.Members {
		addresses = append(addresses, member.Address)
	}
	return addresses
}

func (c *Cluster) close() {
	for _, p := range append(append([]*Process{}, c.Members...), c.Stores...) {
		if p.Running() {
			p.Kill()
		}
		if c.t.Failed() {
			text := p.LogText()
			if len(text) > 6000 {
				text = text[len(text)-6000:]
			}
			c.t.Logf("---- end of the log of %s ----\n%s", p.Name, text)
		}
	}
}

// Playground is a cluster started by `cairn playground`, as a user starts it.
type Playground struct {
	PD  string
	Out []string // lines it printed before `ready`
	cmd *exec.Cmd
}

// StartPlayground runs `cairn playground` and waits for `ready`.
func StartPlayground(t testing.TB, arguments ...string) *Playground {
	t.Helper()
	base := FreePorts(t, 64)
	args := append([]string{"playground", "--pd-port", fmt.Sprint(base), "--store-port", fmt.Sprint(base + 10),
		"--status-port", fmt.Sprint(base + 30), "--data-dir", filepath.Join(t.TempDir(), "data")}, arguments...)
	p := &Playground{PD: fmt.Sprintf("127.0.0.1:%d", base), cmd: exec.Command(Binary(t), args...)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan struct{})
		go func() { p.cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			p.cmd.Process.Kill()
			t.Error("the playground did not end within 20 s of SIGTERM")
		}
	})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.TrimSpace(lines.Text()) == "ready" {
				ready <- true
				for lines.Scan() {
				}
				return
			}
			p.Out = append(p.Out, lines.Text())
		}
		ready <- false
	}()
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the playground ended before it was ready: %v", p.Out)
		}
	case <-time.After(60 * time.Second):
		p.cmd.Process.Kill()
		t.Fatal("the playground was not ready within 60 s")
	}
	return p
}

// Eventually waits until condition holds, looking every 50 ms.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Metric reads one number from the process's metrics; false if it is not there. Labels as they are printed:
// `name{label="value"}`.
func Metric(p *Process, name string) (float64, bool) {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get("http://" + p.Status + "/metrics")
	if err != nil {
		return 0, false
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			var number float64
			_, err := fmt.Sscan(value, &number)
			return number, err == nil
		}
	}
	return 0, false
}

// StatusOK tells whether the process's status page answers: it is serving.
func StatusOK(p *Process) bool {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get("http://" + p.Status + "/status")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == 200
}

// Applied lists the regions of a store with their applied indexes, as its status page says; empty if it does not answer.
func Applied(p *Process) string {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get("http://" + p.Status + "/regions")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var regions []struct {
		ID      uint64 `json:"id"`
		Applied uint64 `json:"applied"`
	}
	if json.NewDecoder(response.Body).Decode(&regions) != nil {
		return ""
	}
	sort.Slice(regions, func(i, j int) bool { return regions[i].ID < regions[j].ID })
	return fmt.Sprint(regions)
}
