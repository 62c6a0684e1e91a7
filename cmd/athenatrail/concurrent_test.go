package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// TestAtOnce collects overlapping parts of one trail by several processes at
// the same time: the lake is that of one run.
func TestAtOnce(t *testing.T) {
	s := newStory(t, 1500, "26", "27")
	want, _ := s.undisturbed(t)
	for _, processes := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d on disk", processes), func(t *testing.T) {
			dir := t.TempDir()
			atOnce(t, s, processes, dir, nil, diskLake(t, dir), want)
		})
	}
	t.Run("3 on S3", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		atOnce(t, s, 3, "s3://"+bucket+"/lake", s3Env(server, server.Endpoint), s3Lake(t, server, bucket, "lake"), want)
	})
}

func atOnce(t *testing.T, s *story, processes int, location string, env []string, store lake.Store, want map[string]string) {
	var wg sync.WaitGroup
	results := make([]result, processes)
	for n, part := range overlapping(t, s.trail, processes) {
		cmd := program(t, t.Context(), pinnedProgram, env, s.args(part, location)...)
		wg.Go(func() { results[n] = ended(t, cmd) })
	}
	wg.Wait()
	for _, r := range results {
		r.mustEnd(t, 0)
	}
	// Nothing is left to do: what one process marked while another derived is
	// derived by one of them.
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
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
