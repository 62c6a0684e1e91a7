package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestVerifyFindsAlteredBytes changes single bytes of a table, all over the
// file: values, statistics that readers prune by, and what describes them.
// Verification finds every one.
func TestVerifyFindsAlteredBytes(t *testing.T) {
	trail, dir := t.TempDir(), t.TempDir()
	archive, err := txtar.ParseFile("testdata/trail.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if err := txtar.Write(archive, trail); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "collect", "--source", trail, "--lake", dir, "--no-details").mustEnd(t, 0)
	name := filepath.Join(dir, "tables", "query_executions_open", "dt=2026-05-04", "111122223333_us-east-1.parquet")
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(sound); i += 1 + len(sound)/25 {
		altered := bytes.Clone(sound)
		altered[i] ^= 0x40
		if err := os.WriteFile(name, altered, 0o666); err != nil {
			t.Fatal(err)
		}
		if r := run(t, nil, "lake", "verify", "--lake", dir, "--output", "csv"); r.code != 5 || !strings.Contains(r.stdout, filepath.Base(name)) {
			t.Errorf("byte %d of %d altered: exit code %d: %s%s", i, len(sound), r.code, r.stdout, r.stderr)
		}
	}
	if err := os.WriteFile(name, sound, 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "lake", "verify", "--lake", dir).mustEnd(t, 0)
}
