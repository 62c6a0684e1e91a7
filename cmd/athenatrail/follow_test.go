package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// TestFollow starts the program with --follow, delivers a log file while it
// runs, and finds the queries in the tables; asks /healthz and /metrics; and
// stops it as a service manager does.
func TestFollow(t *testing.T) {
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -2)
	api, err := athenaapitest.Start(recentAPI(day, true))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	trail, lake := t.TempDir(), filepath.Join(t.TempDir(), "lake")
	env := append(athenaEnv(api.URL), "ATHENATRAIL_ASSUME_ROLE=arn:aws:iam::{account}:role/reader")
	cmd := program(t, t.Context(), "athenatrail", env, "collect", "--follow", "--source", trail, "--lake", lake, "--interval", "200ms", "--listen", "127.0.0.1:0")
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(talk); s.Scan(); {
			lines <- s.Text()
		}
	}()
	await := func(what string) string {
		t.Helper()
		form := regexp.MustCompile(what)
		var seen []string
		for deadline := time.After(time.Minute); ; {
			select {
			case line, ok := <-lines:
				if form.MatchString(line) {
					return line
				}
				if seen = append(seen, line); !ok {
					t.Fatalf("it ended without saying %q:\n%s", what, strings.Join(seen, "\n"))
				}
			case <-deadline:
				t.Fatalf("it did not say %q:\n%s", what, strings.Join(seen, "\n"))
			}
		}
	}
	url := regexp.MustCompile(`http://\S+`).FindString(await("/healthz and /metrics answer at"))

	// The folder is empty at first, which is named once and is no end.
	await("no log files")
	if err := writeRecent(trail, day); err != nil {
		t.Fatal(err)
	}
	await("read 2 log files, .* derived 2 days")
	got := run(t, env, "query", "--lake", lake, "--output", "csv", "SELECT person, count(*) AS n FROM query_executions WHERE state = 'SUCCEEDED' GROUP BY person ORDER BY person").mustEnd(t, 0)
	if want := "person,n\nines,3\nrosa,1\n"; strings.ReplaceAll(got.stdout, "\r", "") != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}

	var health struct {
		Status     string    `json:"status"`
		LastRun    time.Time `json:"last_run"`
		CompleteTo time.Time `json:"complete_to"`
	}
	if body := get(t, url+"/healthz"); json.Unmarshal([]byte(body), &health) != nil || health.Status != "ok" || time.Since(health.LastRun) > time.Minute || health.CompleteTo.IsZero() {
		t.Errorf("healthz says %s", body)
	}
	metrics := get(t, url+"/metrics")
	for _, line := range []string{
		`athenatrail_log_files_total{result="read"} 2`,
		`athenatrail_details_total{outcome="answered"} 6`,
		`athenatrail_details_total{outcome="not_found"} 1`,
		`athenatrail_days_derived_total 2`,
		`athenatrail_records_total{result="kept"} 7`,
		`athenatrail_collect_runs_total{result="failed"} `,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	if t.Failed() {
		t.Log(metrics)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("stopped")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(lake, "_ledger", "v1", "dirty")); err == nil && len(entries) > 0 {
		t.Errorf("%d days are marked", len(entries))
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, %v", url, answer.StatusCode, err)
	}
	return string(body)
}
