package cloudtrail

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// corpus returns the folder of public records, which is no part of this
// repository.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATHENATRAIL_CORPUS")
	if dir == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set: it names the folder of public records to test with")
	}
	return dir
}

// TestCorpus reads every file of the corpus and compares what was found with
// what encoding/json finds in it.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	files, kept := 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "sql" {
				return fs.SkipDir
			}
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch filepath.Ext(name) {
		case ".json", ".jsonl", ".gz", ".cloudtrail":
		default:
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		f, tally := read(t, DefaultLimits, bytes.NewReader(data))
		kept += len(f.Events)
		want, valid := oracle(t, data)
		if strings.Contains(name, "malformed") {
			// What is wrong with these is no matter of JSON, or is told.
			if !valid && tally.Undecodable == 0 && tally.Damage == "" {
				t.Errorf("%s: malformed, but read without a word: %+v", name, tally)
			}
			return nil
		}
		if !valid {
			if tally.Closed {
				t.Errorf("%s: not JSON, but read as closed", name)
			}
			return nil
		}
		if tally.Candidates != want || tally.Damage != "" {
			t.Errorf("%s: got %d candidates, encoding/json finds %d: %+v", name, tally.Candidates, want, tally)
		}
		if tally.Undecodable != 0 {
			t.Errorf("%s: %+v", name, tally.Problems)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 2500 || kept < 40 {
		t.Errorf("read %d files and kept %d events: is this the corpus?", files, kept)
	}
	t.Logf("%d files, %d events of Athena", files, kept)
}

// oracle counts the candidates by encoding/json. It reports false for what is
// not a sequence of JSON values.
func oracle(t *testing.T, data []byte) (candidates int64, valid bool) {
	t.Helper()
	var text io.Reader = bytes.NewReader(data)
	if isGzip(data) {
		z, err := gzip.NewReader(text)
		if err != nil {
			return 0, false
		}
		text = z
	}
	d := json.NewDecoder(text)
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return candidates, true
		} else if err != nil {
			return candidates, false
		}
		candidates += countCandidates(v)
	}
}

func countCandidates(v any) (n int64) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += countCandidates(e)
		}
	case map[string]any:
		if source, ok := v["eventSource"].(string); ok {
			switch source {
			case sourceAthena, sourceSTS, sourceLakeFormation:
				return 1
			}
			return 0
		}
		for _, key := range []string{"Records", "Events", "logEvents"} {
			if a, ok := v[key].([]any); ok {
				n += countCandidates(a)
			}
		}
		if detail, ok := v["detail"].(map[string]any); ok {
			if v["detail-type"] == "Athena Query State Change" {
				return n + 1
			}
			n += countCandidates(detail)
		}
		for _, key := range []string{"CloudTrailEvent", "message"} {
			if s, ok := v[key].(string); ok {
				var inner any
				if json.Unmarshal([]byte(s), &inner) == nil {
					n += countCandidates(inner)
				}
			}
		}
	}
	return n
}
