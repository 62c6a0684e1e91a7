package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// TestAtOnce collects overlapping parts of one trail by several processes at
// the same time, while another closes the same days: the lake is that of one run
// and one compaction.
func TestAtOnce(t *testing.T) {
	s, made := collected(t)
	location, _, undisturbed := disk{}.folder(t)
	copyLake(t, made, undisturbed)
	run(t, nil, compactArgs(location, "--grace", "0s")...).mustEnd(t, 0)
	want := contents(t, undisturbed)
	t.Run("on disk", func(t *testing.T) {
		for _, processes := range []int{2, 5, 10} {
			t.Run(fmt.Sprint(processes), func(t *testing.T) { atOnce(t, s, processes, disk{}, want) })
		}
	})
	t.Run("on S3", func(t *testing.T) {
		several := []int{5}
		if soaking() {
			several = []int{2, 5, 10}
		}
		where := bucket{s3test.Start(t)}
		for _, processes := range several {
			t.Run(fmt.Sprint(processes), func(t *testing.T) { atOnce(t, s, processes, where, want) })
		}
	})
}

func atOnce(t *testing.T, s *story, processes int, where place, want map[string]string) {
	if testing.Short() && processes > 2 {
		t.Skip("many processes")
	}
	location, env, store := where.folder(t)
	compact := func(more ...string) *exec.Cmd {
		return program(t, t.Context(), "athenatrail", env, compactArgs(location, more...)...)
	}
	// One before, so that there is a lake to compact.
	parts := overlapping(t, s.trail, processes+1)
	collect := func(part string) *exec.Cmd {
		return program(t, t.Context(), pinnedProgram, env, s.args(part, location)...)
	}
	ended(t, collect(parts[processes])).mustEnd(t, 0)
	var wg sync.WaitGroup
	results := make([]result, processes)
	for n, part := range parts[:processes] {
		cmd := collect(part)
		wg.Go(func() { results[n] = ended(t, cmd) })
	}
	done := make(chan struct{})
	var compactions []result
	var beside sync.WaitGroup
	beside.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				compactions = append(compactions, ended(t, compact()))
			}
		}
	})
	wg.Wait()
	close(done)
	beside.Wait()
	for _, r := range append(results, compactions...) {
		r.mustEnd(t, 0)
	}
	// Nothing is left to do: what one process marked while another derived is
	// derived by one of them.
	mustBeSound(t, store)
	ended(t, compact("--grace", "0s")).mustEnd(t, 0)
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
	t.Logf("%d processes collected, and the days were compacted %d times meanwhile", processes, len(compactions))
}

// overlapping returns as many folders as asked for. Every log file is in one
// of them at least and every second in two, so that the processes meet in the
// same partitions and partly over the same records.
func overlapping(t *testing.T, trail string, parts int) []string {
	t.Helper()
	dirs := make([]string, parts)
	for i := range dirs {
		dirs[i] = t.TempDir()
	}
	n := 0
	err := filepath.WalkDir(trail, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(trail, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		in := []int{n % parts}
		if n%2 == 0 {
			in = append(in, (n+1)%parts)
		}
		n++
		for _, i := range in {
			to := filepath.Join(dirs[i], rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(to, data, 0o666); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}
