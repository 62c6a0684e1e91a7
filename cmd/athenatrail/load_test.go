package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestLoad follows a busy trail, enforces a limit and serves the dashboard at
// once, while pages and answers of the API are asked for without a break: 20
// seconds, or ten minutes with ATHENATRAIL_SOAK. Every page is there, every query
// is in the lake at the end, the one that goes beyond its limit is stopped once,
// and neither process has in the last third more memory and files open than in
// the first, but for what is said below. Times are told, and nothing is asked of
// them.
func TestLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory and files of a process are read from /proc")
	}
	length := 20 * time.Second
	switch {
	case soaking():
		length = 10 * time.Minute
	case testing.Short():
		t.Skip("it goes on for a while")
	}
	d := newLimitsDay(t)
	// A history, so that there is something to show and to add to.
	people := []string{"rosa", "ines", "milo", "paul", "jana", "otto", "theo", "lena"}
	delivered := 0
	deliver := func() {
		delivered++
		d.query(delivered, people[delivered%len(people)]+"@example.com", time.Duration(2+delivered%180)*time.Minute, time.Minute, int64(1+delivered%7)*1e6)
	}
	for range 200 {
		deliver()
	}
	run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)

	follow := program(t, t.Context(), "athenatrail", d.env, "collect", "--follow", "--config", d.config, "--interval", "1s", "--listen", "")
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer follow.Process.Kill()
	url, server := serving(t, d.env, "--config", d.config)
	processes := map[string]int{"collect --follow": follow.Process.Pid, "serve": server.Pid}

	begun := time.Now()
	over := make(chan struct{})
	var group sync.WaitGroup
	every := func(pause time.Duration, do func()) {
		group.Go(func() {
			for tick := time.NewTicker(pause); ; {
				select {
				case <-over:
					tick.Stop()
					return
				case <-tick.C:
					do()
				}
			}
		})
	}
	// Five queries a second, and after a fifth of the time one that is too much.
	heavy := ""
	every(200*time.Millisecond, func() {
		deliver()
		if heavy == "" && time.Since(begun) > length/5 {
			delivered++
			d.now = time.Now().UTC()
			heavy = d.query(delivered, "rosa@example.com", 40*time.Minute, 24*time.Hour, 40e12)
		}
	})
	var mu sync.Mutex
	took := map[int][]time.Duration{} // by minute
	client := &http.Client{Timeout: time.Minute}
	pages := []string{
		"/", "/people", "/queries", "/limits", "/api/v1/views/overview", "/api/v1/views/users?format=csv", "/api/v1/queries?limit=50", "/healthz",
	}
	asked := 0
	for range 2 {
		every(150*time.Millisecond, func() {
			mu.Lock()
			page := pages[asked%len(pages)]
			asked++
			mu.Unlock()
			start := time.Now()
			answer, err := client.Get(url + page)
			if err != nil {
				t.Errorf("GET %s: %v", page, err)
				return
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("GET %s: status %d, %v: %.300s", page, answer.StatusCode, err, body)
			}
			mu.Lock()
			defer mu.Unlock()
			minute := int(start.Sub(begun) / time.Minute)
			took[minute] = append(took[minute], time.Since(start))
		})
	}
	type sample struct{ memory, files int } // in MiB
	samples := map[string][]sample{}
	every(time.Second/2, func() {
		for name, pid := range processes {
			memory, files, err := held(pid)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			samples[name] = append(samples[name], sample{memory, files})
		}
	})
	time.Sleep(length)
	close(over)
	group.Wait()

	for minute := range len(took) {
		times := took[minute]
		slices.Sort(times)
		if len(times) > 0 {
			t.Logf("minute %d: %d requests, p50 %s, p95 %s", minute, len(times), times[len(times)/2].Round(time.Millisecond), times[len(times)*95/100].Round(time.Millisecond))
		}
	}
	// A process that has just begun has not yet done all that it does, so the
	// first third counts by its highest and the last by its median. What is
	// more is the day's rows, of which there are more each second.
	const times, more, moreFiles = 1.5, 32, 8
	for name, all := range samples {
		third := len(all) / 3
		if third < 5 {
			t.Fatalf("%s: %d samples", name, len(all))
		}
		of := func(part []sample, what func(sample) int, at float64) int {
			list := make([]int, len(part))
			for i, s := range part {
				list[i] = what(s)
			}
			slices.Sort(list)
			return list[int(at*float64(len(list)-1))]
		}
		memory, files := func(s sample) int { return s.memory }, func(s sample) int { return s.files }
		first, last := of(all[:third], memory, 1), of(all[2*third:], memory, 0.5)
		t.Logf("%s: %d MiB at most in the first third, %d MiB in the last; %d and %d files", name, first, last, of(all[:third], files, 1), of(all[2*third:], files, 0.5))
		if float64(last) > times*float64(first)+more {
			t.Errorf("%s: memory grew from %d MiB to %d MiB", name, first, last)
		}
		if first, last := of(all[:third], files, 1), of(all[2*third:], files, 0.5); last > first+moreFiles {
			t.Errorf("%s: %d files open, and %d in the end", name, first, last)
		}
	}

	if err := follow.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("collect --follow ended with %v", err)
	}
	run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)
	got := run(t, d.env, "query", "--config", d.config, "--output", "csv", "SELECT count(*) AS n, count(DISTINCT query_execution_id) AS ids FROM query_executions").mustEnd(t, 0)
	if want := fmt.Sprintf("n,ids\n%[1]d,%[1]d\n", delivered); strings.ReplaceAll(got.stdout, "\r", "") != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
	if n := d.api.Counts("StopQueryExecution"); n.IDs != 1 || d.policy() == "" {
		t.Errorf("query %s: %d stops, policy %q", heavy, n.IDs, d.policy())
	}
	mustBeSound(t, diskLake(t, d.lake))
	t.Logf("%d queries, %d requests in %s", delivered, asked, length)
}

// held returns the resident memory of a process in MiB, and how many files it
// has open.
func held(pid int) (memory, files int, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "statm"))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, 0, fmt.Errorf("%s/statm: %q", dir, text)
	}
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, err
	}
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	return pages * os.Getpagesize() >> 20, len(open), err
}
