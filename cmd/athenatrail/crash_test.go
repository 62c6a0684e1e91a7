package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// TestKilled kills the program at random moments, lets it run again, kills it
// again, and in the end lets it finish: the lake is that of one run that
// nobody disturbed, byte for byte, and no day is left marked.
func TestKilled(t *testing.T) {
	kills := 30
	switch {
	case soaking():
		kills = 200
	case testing.Short():
		kills = 5
	}
	s := newStory(t, 1500, "26", "27")
	want, took := s.undisturbed(t)
	killUntil(t, s, kills, took, want, func() (string, []string, lake.Store) {
		dir := t.TempDir()
		return dir, nil, diskLake(t, dir)
	})
}

// TestKilledS3 is TestKilled with the lake on S3, where a killed process may
// leave a write whose answer nobody saw.
func TestKilledS3(t *testing.T) {
	kills := 8
	switch {
	case soaking():
		kills = 50
	case testing.Short():
		kills = 2
	}
	server := s3test.Start(t)
	s := newStory(t, 1500, "26", "27")
	want, took := s.undisturbed(t)
	killUntil(t, s, kills, took, want, func() (string, []string, lake.Store) {
		bucket := server.Bucket(t)
		return "s3://" + bucket + "/a/lake", s3Env(server, server.Endpoint), s3Lake(t, server, bucket, "a/lake")
	})
}

// killUntil kills so many runs, on one new lake after the other. A run that
// ends before it is killed is a kill that did not happen, and says what is in
// the lake.
func killUntil(t *testing.T, s *story, kills int, took time.Duration, want map[string]string, newLake func() (location string, env []string, store lake.Store)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("an undisturbed run takes %v; seed %d", took, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed, lakes, finished := 0, 0, 0
	for killed < kills {
		location, env, store := newLake()
		lakes++
		// The longer a lake is killed, the less is left to do: kill it up to
		// four times and begin with a new one.
		for n := 1 + random.IntN(4); n > 0 && killed < kills; n-- {
			after := time.Duration(random.Float64() * 1.05 * float64(took))
			cmd := program(t, t.Context(), pinnedProgram, env, s.args(s.trail, location)...)
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			if cmd.ProcessState.Exited() {
				if err != nil {
					t.Fatalf("the run after %d kills: %v", killed, err)
				}
				finished++
				took = min(took, time.Since(start)) // the machine was busier when that was measured
				mustBeSound(t, store)
				mustEqual(t, want, contents(t, store))
				break
			}
			killed++
		}
		ended(t, program(t, t.Context(), pinnedProgram, env, s.args(s.trail, location)...)).mustEnd(t, 0)
		mustBeSound(t, store)
		mustEqual(t, want, contents(t, store))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills in %d lakes; %d runs ended before they were killed", killed, lakes, finished)
}

// TestKilledBetweenFactsAndMarks is the moment that random kills hardly hit: a
// run that died after it had written facts and before it had marked the days.
// Nothing but the log file's absence from the ledger tells that it happened.
func TestKilledBetweenFactsAndMarks(t *testing.T) {
	s := newStory(t, 1500, "26", "27")
	want, _ := s.undisturbed(t)
	dir := t.TempDir()
	again := func() { ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0) }
	again()
	for _, gone := range []string{"tables", "_ledger"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	again()
	store := diskLake(t, dir)
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
}
