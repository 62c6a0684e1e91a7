package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/cli"
	"github.com/athenatrail/athenatrail/internal/demo"
)

// measuringProgram is athenatrail, which when it is done writes the most
// memory that it ever had resident, in KiB, into the file that measureInto
// names. The kernel tells a parent as much of its child (ru_maxrss), but there
// counts what the child shared with the parent before it became the program.
const (
	measuringProgram = "athenatrail-measured"
	measureInto      = "MEASURE_INTO"
)

func measuringMain() {
	code := cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	kib, err := peakResident()
	if err == nil {
		err = os.WriteFile(os.Getenv(measureInto), []byte(kib), 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func peakResident() (kib string, err error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			return strings.TrimSpace(strings.TrimSuffix(rest, "kB")), nil
		}
	}
	return "", fmt.Errorf("%s: no VmHWM", f.Name())
}

// mostResident is what the program may need at --jobs 2, however large the
// trail: 256 MB.
const mostResident = 256 << 20

// TestMemory shows that memory does not grow with the input.
func TestMemory(t *testing.T) {
	switch {
	case runtime.GOOS != "linux":
		t.Skip("peak memory is read from /proc")
	case raceDetector:
		t.Skip("the race detector's memory is not the program's")
	case testing.Short():
		t.Skip("it writes 1 GB of JSON")
	}
	t.Run("1 GB", func(t *testing.T) { peakMemory(t, 80, 1e9) })
	t.Run("10 GB", func(t *testing.T) {
		if !soaking() {
			t.Skip("it takes minutes; set " + soak + "=1")
		}
		peakMemory(t, 800, 10e9)
	})
}

func peakMemory(t *testing.T, files int, least int64) {
	trail, dir := t.TempDir(), t.TempDir()
	counts, err := demo.WriteBenchTrail(trail, demo.BenchOptions{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if counts.JSON < least {
		t.Fatalf("the trail has %d bytes of JSON, want %d", counts.JSON, least)
	}
	into := filepath.Join(t.TempDir(), "peak")
	ended(t, program(t, t.Context(), measuringProgram, []string{measureInto + "=" + into},
		"collect", "--source", trail, "--lake", dir, "--no-details", "--jobs", "2", "--quiet")).mustEnd(t, 0)
	data, err := os.ReadFile(into)
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %.2f GB of JSON, %.2f GB gzip: %d MiB resident at most", counts.Records, float64(counts.JSON)/1e9, float64(counts.Gzip)/1e9, kib>>10)
	if kib<<10 >= mostResident {
		t.Errorf("%d MiB resident at most, want less than %d", kib>>10, mostResident>>20)
	}

	// A program that reads nothing needs no memory either.
	r := run(t, nil, "query", "--lake", dir, "--output", "jsonl",
		"SELECT count(*) AS n, count(*) FILTER (event_name = 'StartQueryExecution') AS starts FROM activity").mustEnd(t, 0)
	type counted struct{ N, Starts int64 }
	if got := rows[counted](t, r.stdout); len(got) != 1 || got[0] != (counted{counts.Athena, counts.Starts}) {
		t.Errorf("the lake holds %+v, the trail %d events of Athena, %d starts", got, counts.Athena, counts.Starts)
	}
}
