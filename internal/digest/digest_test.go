package digest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
	"github.com/athenatrail/athenatrail/internal/digest/digesttest"
)

// save writes a trail into a folder, as a copy of its bucket; with heads also
// what head-object prints of each digest.
func save(t *testing.T, trail *digesttest.Trail, heads bool) string {
	t.Helper()
	folder := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for key, o := range trail.Objects {
		name := filepath.Join(folder, "copy", filepath.FromSlash(strings.TrimPrefix(key, trail.Prefix)))
		write(name, o.Data)
		if heads && o.Metadata != nil {
			head, err := json.Marshal(map[string]any{"ContentType": "application/json", "Metadata": o.Metadata})
			if err != nil {
				t.Fatal(err)
			}
			write(name+sidecar, head)
		}
	}
	return folder
}

func keyFile(t *testing.T, keys ...digesttest.Key) Keys {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(name, digesttest.KeyFile(keys...), 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := ReadKeys(name)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func verifyFolder(t *testing.T, trail *digesttest.Trail, heads bool) []*Report {
	t.Helper()
	reports, err := Verify(t.Context(), Options{
		Source: save(t, trail, heads), Keys: keyFile(t, signer, later), From: noon.Add(-4 * time.Hour), To: noon.Add(5 * time.Hour), Now: newest(trail).Add(lag),
	})
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

// A folder with the metadata beside it shows what the bucket shows.
func TestFolderWithMetadata(t *testing.T) {
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			trail := newTrail("trail-logs")
			c.do(trail)
			got, more := ours(verifyFolder(t, trail, true))
			bad(t, c, got.Bad, more)
		})
	}
}

// Without metadata all but the newest digest are proven by the signatures that
// the ones after them hold.
func TestFolderWithoutMetadata(t *testing.T) {
	reports := verifyFolder(t, newTrail("trail-logs"), false)
	r := reports[0]
	if r.Digests[chain.Valid] != 3 || r.Digests[chain.Unproven] != 1 || r.Logs[chain.Valid] != 6 || r.Failed() || len(reports) != 1 {
		t.Errorf("got %+v of %d", r, len(reports))
	}
	if r.Proven != 3*time.Hour {
		t.Errorf("proven are %v, want 3h", r.Proven)
	}
	for _, c := range []string{"a space added to a digest", "a log file changed", "a digest deleted", "a digest renamed", "an older digest in the place of a newer one"} {
		for _, tampering := range tamperings() {
			if tampering.name == c {
				trail := newTrail("trail-logs")
				tampering.do(trail)
				if r := verifyFolder(t, trail, false)[0]; !r.Failed() {
					t.Errorf("%s: nothing failed: %+v", c, r)
				}
			}
		}
	}
}

// Names in a digest lead nowhere but into the trail.
func TestNamesStayWithinTheFolder(t *testing.T) {
	trail := newTrail("trail-logs")
	trail.Digest(noon.Add(time.Hour), func(c map[string]any) {
		c["logFiles"] = []map[string]any{{"s3Bucket": "trail-logs", "s3Object": "AWSLogs/../../../../etc/passwd", "hashValue": "", "hashAlgorithm": "SHA-256"}}
	})
	r := verifyFolder(t, trail, true)[0]
	if r.Logs[chain.Invalid] != 1 || !strings.Contains(r.Findings[0].Text, "not a name within AWSLogs") {
		t.Errorf("got %v, %+v", r.Logs, r.Findings)
	}
}

// How much is proven is the time of valid digests, within the time asked for.
func TestCoverage(t *testing.T) {
	f := func(name string, do func(*digesttest.Trail), want float64) {
		t.Helper()
		trail := newTrail("trail-logs")
		do(trail)
		reports, err := Verify(t.Context(), Options{
			Source: save(t, trail, true), Keys: keyFile(t, signer), From: noon.Add(-4 * time.Hour), To: noon.Add(4 * time.Hour), Now: noon.Add(24 * time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := reports[0].Coverage(); got != want {
			t.Errorf("%s: %v %% of %v to %v, want %v", name, got, reports[0].From, reports[0].To, want)
		}
	}
	f("four hours of eight", func(*digesttest.Trail) {}, 50)
	f("one of them changed", func(trail *digesttest.Trail) { rewrite(trail, trail.Digests[1], `{"`, `{ "`) }, 37.5)
	f("backfilled", func(trail *digesttest.Trail) {
		trail.Stop()
		for h := range 4 {
			trail.Backfill(noon.Add(time.Duration(h+1)*time.Hour), noon.Add(20*time.Hour))
		}
	}, 100)
}

func TestNoDigests(t *testing.T) {
	trail := newTrail("trail-logs")
	for _, key := range trail.Digests {
		delete(trail.Objects, key)
	}
	_, err := Verify(t.Context(), Options{Source: save(t, trail, false), Keys: keyFile(t, signer), Now: noon})
	if err == nil || !strings.Contains(err.Error(), "no digest files from the beginning to 2026-11-02T12:00:00Z") {
		t.Errorf("got %v", err)
	}
}

// A key is asked for once, not digest by digest.
func TestKeysAreAskedOnce(t *testing.T) {
	server := digesttest.NewServer(signer)
	defer server.Close()
	trail := newTrail("trail-logs")
	reports, err := Verify(t.Context(), Options{Source: save(t, trail, true), Keys: cloudTrail(server.URL), Now: noon.Add(lag)})
	if err != nil {
		t.Fatal(err)
	}
	if r := reports[0]; r.Digests[chain.Valid] != 4 || r.Coverage() != 100 || server.Asked() != 1 {
		t.Errorf("got %+v; asked %d times", r, server.Asked())
	}
}
