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
		if tally.Candidates != want || tally.Damage != "" && (tally.Records > 0 || !strings.HasPrefix(tally.Damage, "there are no CloudTrail records")) {
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

// TestCorpusAthenaRecords asserts the ids of every record of Athena, one by
// one. Who is behind each is asserted where the ladder is.
func TestCorpusAthenaRecords(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus(t), "athena-records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	type ids struct{ event, name, execution, session, text, failure string }
	const masked = ""
	want := []ids{
		{"15e3d3b5-6c3b-4c7c-bc0b-36a8dd95227b", "CreateNamedQuery", "", "", "select 10", ""},
		{"15e3d3b5-6c3b-4c7c-bc0b-36a8dd95227b", "CreateNamedQuery", "", "", masked, ""},
		{"4abec837-143b-4458-9c1f-fa9fb88ab69b", "ImportNotebook", "", "", "", ""},
		{"c97cf8c8-6112-467a-8777-53bb38f83fd5", "StartQueryExecution", "b621c254-74e0-48e3-9630-78ed857782f9", "", "Select 10", ""},
		{"6e1fc69b-d076-477e-8dec-024ee51488c4", "StartQueryExecution", "", "", "Select 10", "InvalidRequestException"},
		{"c97cf8c8-6112-467a-8777-53bb38f83fd5", "StartQueryExecution", "b621c254-74e0-48e3-9630-78ed857782f9", "", masked, ""},
		{"6e1fc69b-d076-477e-8dec-024ee51488c4", "StartQueryExecution", "", "", masked, "InvalidRequestException"},
		{"b58ce998-eb89-43e9-8d67-d3d8e30561c9", "StartSession", "", "a2c1ebba-ad01-865f-ed2d-a142b7451f7e", "", ""},
		{"49026c5a-bf58-4cdb-86ca-978e711ad238", "TerminateSession", "", "a2c1ebba-ad01-865f-ed2d-a142b7451f7e", "", ""},
		{"745cdd6f-645d-4250-8831-d0ffd2fe3847", "UpdateNotebook", "", "9cc1ebb2-aac5-b1ca-8247-5d827bd8232f", "", ""},
		{"1a5f1e26-421f-4640-b8fc-b806cad55dd9", "ListNamedQueries", "", "", "", ""},
		{"5beb3300-f4bc-49e2-899e-4603a16b3c25", "ListQueryExecutions", "", "", "", ""},
		{"d22b230d-4cf7-4a02-a442-00055ff373", "ListWorkGroups", "", "", "", ""},
		{"f5e642c7-c21a-4baf-a2da-4e0cd30f48f5", "StartQueryExecution", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "", masked, ""},
		{"", "GetQueryExecution", strings.Repeat("x", 4), "", "", ""}, // without an eventID
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	if len(lines) != len(want) {
		t.Fatalf("%d records, want %d", len(lines), len(want))
	}
	for i, line := range lines {
		f, tally := read(t, DefaultLimits, bytes.NewReader(line))
		if len(f.Events) != 1 {
			t.Errorf("record %d: %+v", i+1, tally)
			continue
		}
		e := f.Events[0]
		r, err := DecodeRecord(e.Record)
		if err != nil {
			t.Errorf("record %d: %v", i+1, err)
			continue
		}
		text := ""
		if len(f.Texts) > 0 {
			text = f.Texts[0].QueryString
		}
		got := ids{e.ID, e.Name, e.QueryExecutionID, e.SessionID, text, r.ErrorCode}
		if want[i].event == "" && strings.HasPrefix(got.event, "sha256:") {
			got.event = ""
		}
		if got != want[i] {
			t.Errorf("record %d:\n got %+v\nwant %+v", i+1, got, want[i])
		}
	}
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
