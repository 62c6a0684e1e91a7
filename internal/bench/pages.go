package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// openDays is how many of a generated lake's last days stay open, as after a
// nightly `athenatrail lake compact`.
const openDays = 7

// makeLake returns the folder of a lake of so many executions, and makes it if
// it is not there.
func makeLake(ctx context.Context, data string, executions int) (string, error) {
	dir := filepath.Join(data, fmt.Sprintf("lake-%d", executions))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintf(os.Stderr, "bench: generating a lake of %d executions\n", executions)
	making := dir + ".tmp"
	if err := os.RemoveAll(making); err != nil {
		return "", err
	}
	if err := os.MkdirAll(making, 0o755); err != nil {
		return "", err
	}
	store, err := lake.OpenStore(making)
	if err != nil {
		return "", err
	}
	l, err := lake.Create(ctx, store)
	if err != nil {
		return "", err
	}
	counts, err := demo.WriteBenchLake(ctx, l, demo.BenchLakeOptions{Executions: executions, DerivedWith: "benchmark"})
	if err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "bench: %d executions in %d rows of usage_rollup, %d of table_rollup and %d of query_texts\n", counts.Executions, counts.Usage, counts.Tables, counts.Texts)
	if err := closeDays(ctx, l, counts.Last+1-openDays); err != nil {
		return "", err
	}
	return dir, os.Rename(making, dir)
}

// closeDays compacts the days before one.
func closeDays(ctx context.Context, l *lake.Lake, before athenatrail.Date) error {
	days, err := lake.OpenDays(ctx, l, before)
	if err != nil {
		return err
	}
	if err := l.BeginClosing(ctx, before); err != nil {
		return err
	}
	for _, day := range days {
		if _, err := lake.CloseDay(ctx, l, day); err != nil {
			return err
		}
	}
	if err := l.MoveBoundary(ctx, before); err != nil {
		return err
	}
	_, _, err = lake.RemoveOpen(ctx, l, time.Now().Add(time.Hour), 0, false)
	return err
}

// pagesAsked are the pages that are timed, by what the table calls them. Those
// of usage read roll-ups alone but for their findings; the others also read
// executions one by one.
var pagesAsked = []struct{ name, path string }{
	{"overview", "/"}, {"people", "/people"}, {"teams", "/teams"}, {"work groups", "/workgroups"}, {"databases", "/databases"}, {"tools and jobs", "/tools"},
	{"ranking of people, by the API", "/api/v1/views/users?limit=50"},
	{"ranking of databases, by the API", "/api/v1/views/databases?limit=50"},
	{"failures", "/failures"}, {"queries", "/queries"}, {"search", "/queries?q=revenue_margin"},
	{"tables", "/tables"}, {"patterns", "/patterns"}, {"findings", "/findings"},
}

// An ask is a window that ends some days before the lake does, of everybody or
// of one team.
type ask struct {
	days, before int
	team         string
}

// asksOf are the windows and filters that each page is asked for with. All are
// different, so that no answer is remembered of another.
func asksOf() (list []ask) {
	for _, team := range []string{"", "risk", ""} {
		for _, days := range []int{7, 30, 90, 365} {
			for range 2 {
				list = append(list, ask{days, len(list), team})
			}
		}
	}
	return list
}

// patience is how long one page is asked for at most; what is slow is asked for
// with fewer windows.
const patience = time.Minute

// A timing is how long answers to one page took.
type timing struct {
	name         string
	first, again []time.Duration
	cpu          map[int][]time.Duration // of the server, for each of first, by its days
	failed       int
}

// measurePages times the dashboard over a lake, in a process of its own.
func measurePages(ctx context.Context, data string, executions int, only string) (string, error) {
	dir, err := makeLake(ctx, data, executions)
	if err != nil {
		return "", err
	}
	program, err := buildProgram(data)
	if err != nil {
		return "", err
	}
	cache := filepath.Join(data, fmt.Sprintf("cache-%d", executions))
	if err := os.RemoveAll(cache); err != nil {
		return "", err
	}
	// Roll-ups are held after the first start; the second finds them.
	s, err := startDashboard(ctx, program, dir, cache)
	if err != nil {
		return "", err
	}
	began := time.Now()
	for !held(cache) {
		if time.Since(began) > 30*time.Minute {
			s.stop()
			return "", fmt.Errorf("the roll-ups of %s are not held after half an hour", dir)
		}
		time.Sleep(200 * time.Millisecond)
	}
	holding := s.cpu()
	s.stop()
	began = time.Now()
	if s, err = startDashboard(ctx, program, dir, cache); err != nil {
		return "", err
	}
	defer s.stop()
	warm, warmCPU := time.Since(began), s.cpu()
	s.settle()
	var timings []timing
	for _, p := range pagesAsked {
		if !strings.Contains(p.name, only) {
			continue
		}
		t := timing{name: p.name, cpu: map[int][]time.Duration{}}
		get(s.address(p.path, ask{days: 14})) // what a program does once is not a page's time
		began := time.Now()
		for _, a := range asksOf() {
			path := s.address(p.path, a)
			for n := range 3 {
				before := s.cpu()
				took, ok := get(path)
				switch {
				case !ok:
					t.failed++
				case n == 0:
					t.first = append(t.first, took)
					t.cpu[a.days] = append(t.cpu[a.days], s.cpu()-before)
				default:
					t.again = append(t.again, took)
				}
				time.Sleep(60 * time.Millisecond) // the server takes 20 requests a second of one client
			}
			if time.Since(began) > patience {
				break
			}
		}
		fmt.Fprintf(os.Stderr, "bench: %d executions: %-34s first %v to %v, again %v\n", executions, p.name, part(t.first, 50), part(t.first, 95), part(t.again, 50))
		timings = append(timings, t)
	}
	return renderPages(executions, timings, holding, warm, warmCPU, s.peak()), nil
}

// settle waits until the server has done what it does after its start: nobody's
// page is timed meanwhile.
func (s *dashboard) settle() {
	for quiet, last := 0, s.cpu(); quiet < 3; {
		time.Sleep(500 * time.Millisecond)
		now := s.cpu()
		if quiet++; now-last > 20*time.Millisecond {
			quiet = 0
		}
		last = now
	}
}

func renderPages(executions int, timings []timing, holding, warm, warmCPU time.Duration, peak int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d executions of 365 days, all but the last %d days compacted; %d cores, %s/%s, %s. Each page is asked for with up to %d windows and filters (7, 30, 90 and 365 days, of everybody and of one team), all different: the first time, and then twice more. CPU is the mean of what the server took for a first time. To hold the roll-ups once took %.0f s of CPU with the first start. A start after that answers the overview in %.1f s (%.1f s of CPU). Peak memory %d MB.\n\n",
		executions, openDays, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), len(asksOf()), holding.Seconds(), warm.Seconds(), warmCPU.Seconds(), peak>>20)
	b.WriteString("| page | asked | CPU, 7 days | CPU, 365 days | first, p50 | first, p95 | again, p50 | again, p95 | failed |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, t := range timings {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %s | %s | %d |\n", t.name, len(t.first), meanOf(t.cpu[7]), meanOf(t.cpu[365]),
			millis(part(t.first, 50)), millis(part(t.first, 95)), millis(part(t.again, 50)), millis(part(t.again, 95)), t.failed)
	}
	return b.String()
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func meanOf(all []time.Duration) string {
	if len(all) == 0 {
		return "–"
	}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return millis(sum / time.Duration(len(all)))
}

// part returns the time that so many of a hundred took at most.
func part(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)*percent+99)/100-1]
}

// A dashboard is a running server.
type dashboard struct {
	cmd  *exec.Cmd
	base string
}

// startDashboard starts the program and returns when it has answered once.
func startDashboard(ctx context.Context, program, dir, cache string) (*dashboard, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	program, err = filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, err
	}
	s := &dashboard{exec.CommandContext(ctx, program, "serve", "--lake", dir, "--listen", address), "http://" + address}
	s.cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 6000 {
		if _, ok := get(s.base + "/"); ok {
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("the dashboard over %s does not answer", dir)
}

func (s *dashboard) stop() {
	s.cmd.Process.Signal(os.Interrupt)
	s.cmd.Wait()
}

// benchEnd is where the lakes end.
var benchEnd = (demo.BenchLakeFirst + 365).Time()

// address returns a page's address with a window and filters.
func (s *dashboard) address(path string, a ask) string {
	u, err := url.Parse(s.base + path)
	if err != nil {
		panic(err)
	}
	to := benchEnd.AddDate(0, 0, -a.before)
	values := u.Query()
	values.Set("from", to.AddDate(0, 0, -a.days).Format(time.RFC3339))
	values.Set("to", to.Format(time.RFC3339))
	switch {
	case a.team == "":
	case strings.HasPrefix(path, "/api/"): // which takes a report's parameters
		values.Set("where", "team="+a.team)
	default:
		values.Set("team", a.team)
	}
	u.RawQuery = values.Encode()
	return u.String()
}

// peak returns the most memory that the process has had, in bytes; zero where
// the system does not tell.
func (s *dashboard) peak() int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// cpu returns how much time of processors the process has had, to a hundredth of
// a second (proc_pid_stat(5): fields 14 and 15); zero where the system does not
// tell.
func (s *dashboard) cpu() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	_, rest, ok := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, text := range fields[11:13] {
		n, _ := strconv.ParseInt(text, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// get fetches a page, and reports whether it came and no panel of it failed.
func get(address string) (time.Duration, bool) {
	began := time.Now()
	r, err := http.Get(address)
	if err != nil {
		return 0, false
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	took := time.Since(began)
	return took, err == nil && r.StatusCode == http.StatusOK && !strings.Contains(string(body), "and was stopped")
}

// held reports whether roll-ups are held in a cache.
func held(cache string) bool {
	files, _ := filepath.Glob(filepath.Join(cache, "athenatrail", "*", "usage.duckdb"))
	return len(files) > 0
}
