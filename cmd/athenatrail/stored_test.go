package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the figures of stored lakes that have none yet")

// The views whose figures a stored lake has, in the days that it holds.
var storedViews = []string{"overview", "users", "teams", "workgroups", "databases", "tables", "tools", "patterns", "failures", "notebooks", "calculations", "usage --by day", "queries"}

var storedWindow = []string{"--from", "2026-10-13", "--to", "2026-10-16"}

// TestStoredLakes reads lakes that released versions wrote, with today's
// program: figures are what they were, the lake is sound, what is collected
// comes on top, and rebuilding derives the same from the facts. Scripts
// stored-lake.sh makes one.
func TestStoredLakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/lakes/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no stored lakes: %v", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, archive, dir)
			with := func(args ...string) result {
				return run(t, nil, append(args, "--lake", dir, "--config", filepath.Join(dir, "athenatrail.yaml"))...)
			}
			with("lake", "verify").mustEnd(t, 0)

			golden := strings.TrimSuffix(archive, ".tar.gz") + ".json"
			got := storedFigures(t, with)
			if _, err := os.Stat(golden); errors.Is(err, os.ErrNotExist) && *update {
				data, err := json.MarshalIndent(got, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, append(data, '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]map[string]any{}
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			sameFigures(t, "as it was", want, got)

			archive, err := txtar.ParseFile("testdata/trail.txtar")
			if err != nil {
				t.Fatal(err)
			}
			trail, err := txtar.FS(archive)
			if err != nil {
				t.Fatal(err)
			}
			source := t.TempDir()
			if err := os.CopyFS(source, trail); err != nil {
				t.Fatal(err)
			}
			with("collect", "--source", filepath.Join(source, "trail"), "--no-details", "--quiet").mustEnd(t, 0)
			with("lake", "verify").mustEnd(t, 0)
			sameFigures(t, "after collecting", want, storedFigures(t, with))
			if r := with("query", "--output", "jsonl", "SELECT count(*) AS n FROM query_executions WHERE submission_date_time < TIMESTAMP '2026-06-01'").mustEnd(t, 0); strings.TrimSpace(r.stdout) != `{"n":7}` {
				t.Errorf("of May there are %s rows, want 7", r.stdout)
			}

			// Other rules may attribute and price otherwise; what ran and what it
			// scanned was recorded.
			with("lake", "rebuild", "--all", "--quiet").mustEnd(t, 0)
			r := with("lake", "verify").mustEnd(t, 0)
			if strings.Contains(r.stderr, "were not compared") {
				t.Errorf("after rebuilding: %s", r.stderr)
			}
			before, after := want["overview"][0], storedFigures(t, with)["overview"][0]
			for _, column := range []string{"executions", "failed", "not_started", "sessions", "data_scanned_bytes"} {
				if before[column] != after[column] {
					t.Errorf("after rebuilding, %s is %v, and was %v", column, after[column], before[column])
				}
			}

			// A lake of a later format is left alone.
			manifest := filepath.Join(dir, "manifest.json")
			if err := os.WriteFile(manifest, []byte(`{"format_version": 2}`), 0o666); err != nil {
				t.Fatal(err)
			}
			files := treeOf(t, dir, filepath.Join(dir, "_locks"))
			for _, args := range [][]string{{"report", "overview"}, {"collect", "--source", source, "--no-details"}, {"lake", "rebuild", "--all"}, {"lake", "compact"}} {
				if r := with(args...); r.code == 0 || !strings.Contains(r.stderr, "install a newer athenatrail") {
					t.Errorf("%v of a newer lake: exit %d, %s", args, r.code, r.stderr)
				}
			}
			if d := cmp.Diff(files, treeOf(t, dir, filepath.Join(dir, "_locks"))); d != "" {
				t.Errorf("files of a newer lake: %s", d)
			}
		})
	}
}

func storedFigures(t *testing.T, with func(...string) result) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	for _, view := range storedViews {
		args := append([]string{"report"}, strings.Fields(view)...)
		r := with(append(append(args, "--output", "jsonl", "--limit", "0"), storedWindow...)...).mustEnd(t, 0)
		all[view] = rows[map[string]any](t, r.stdout)
		if len(all[view]) == 0 && view != "failures" {
			t.Errorf("the view %s has no rows", view)
		}
	}
	return all
}

// sameFigures compares the columns that the figures have, and the rows; later
// versions may have more columns, and the overview more sections.
func sameFigures(t *testing.T, when string, want, got map[string][]map[string]any) {
	t.Helper()
	for view, rows := range want {
		now := got[view]
		if view == "overview" {
			sections := map[any]bool{}
			for _, row := range rows {
				sections[row["section"]] = true
			}
			var known []map[string]any
			for _, row := range now {
				if sections[row["section"]] {
					known = append(known, row)
				}
			}
			now = known
		}
		if len(now) != len(rows) {
			t.Errorf("%s, %s: %d rows, want %d", when, view, len(now), len(rows))
			continue
		}
		for i, row := range rows {
			of := map[string]any{}
			for column := range row {
				if v, ok := now[i][column]; ok {
					of[column] = v
				}
			}
			if d := cmp.Diff(row, of); d != "" {
				t.Errorf("%s, %s, row %d (-as it was +now):\n%.1500s", when, view, i, d)
				break
			}
		}
	}
}

// unpack writes the files of an archive below a folder.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if !filepath.IsLocal(filepath.FromSlash(h.Name)) {
			t.Fatalf("%s leads out of the archive", h.Name)
		}
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o777)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, data, 0o666)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
