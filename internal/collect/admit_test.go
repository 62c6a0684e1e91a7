package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/redact"
	"github.com/athenatrail/athenatrail/internal/source"
)

// secretive is an Athena whose answers quote a secret wherever they can.
type secretive struct{ sql map[string]string }

func (s secretive) Of(context.Context, string, string) (collect.Asker, error) { return s, nil }

func (s secretive) Details(_ context.Context, _ time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		for _, w := range wanted {
			sql := s.sql[w.ID]
			home := athenatrail.NewPartition(w.Started, "111122223333", "eu-west-1")
			message, _ := json.Marshal("HIVE_CURSOR_ERROR: line 1:8: no secretword, 'secretword' nor \"secretword\" in s3://b/p=secretword/x of 987654321")
			a := athenaapi.Answer{Wanted: w, Detail: athenatrail.Detail{
				Home: home, Kind: athenatrail.KindQueryExecution, ID: w.ID, Outcome: athenatrail.OutcomeAnswered, State: "FAILED", Final: true,
				SubmittedAt: w.Started, TextHash: athenatrail.HashText(sql), Message: "about 'secretword'",
				Answer: fmt.Sprintf(`{"ExecutionParameters":["'secretword'","987654321"],"QueryExecutionId":%q,"Status":{"AthenaError":{"ErrorMessage":%s},"State":"FAILED","StateChangeReason":%s}}`, w.ID, message, message),
			}}
			a.Text = &athenatrail.QueryText{Home: home, TextHash: a.Detail.TextHash, QueryString: sql}
			if !yield(a) {
				return
			}
		}
	}
}

// secretSQL are texts with a secret in a literal or a comment.
var secretSQL = []string{
	"SELECT a FROM shop.orders WHERE name = 'secretword' AND card = 987654321 -- secretword",
	"/* secretword */ INSERT INTO shop.copies SELECT * FROM shop.orders WHERE name IN ('x', 'it''s secretword')",
	"EXECUTE IMMEDIATE 'SELECT a FROM shop.orders WHERE name = ''secretword'''",
	"SELECT 'secretword",
	`SELECT 'it\'s secretword' FROM shop.orders WHERE a = 'x'`,
	`SELECT 'a\' FROM secretword WHERE b = \''`,
	"SELECT U&'\\0073ecretword', 'secretword'",
	"-- Metabase:: userID: 7 queryType: native queryHash: " + strings.Repeat("5ec2e7ab", 8) + "\nSELECT a FROM shop.orders WHERE name = 'secretword'",
	"not SQL, 'secretword'",
}

// secrets must not be in a lake that masks; tables must all the same.
var secrets = []string{"secretword", "987654321", "5ec2e7ab"}

// TestNoPathForgetsToMask feeds SQL through all ways into the lake, and looks
// for its secrets in every byte and every text of the lake's files.
func TestNoPathForgetsToMask(t *testing.T) {
	dir := t.TempDir()
	athena := secretive{map[string]string{}}
	var records []string
	for i, sql := range secretSQL {
		id := fmt.Sprintf("11111111-2222-4333-8444-5555555555%02d", i)
		athena.sql[id] = sql
		r := record(i, "111122223333", time.Date(2026, 5, 5, 10, i, 0, 0, time.UTC), id)
		text, _ := json.Marshal(sql)
		// An old trail's record with SQL in clear, one without an id of its own,
		// one whose call failed, a prepared statement, and a cell of a notebook.
		clear := strings.Replace(r, `"workGroup":"w"`, `"executionParameters":["secretword"],"queryString":`+string(text)+`,"workGroup":"w"`, 1)
		failed := strings.Replace(clear, `"responseElements":{"queryExecutionId":"`+id+`"}`, `"errorCode":"InvalidRequestException","errorMessage":"line 1:1: mismatched input 'secretword' 987654321","responseElements":null`, 1)
		prepared := strings.NewReplacer("StartQueryExecution", "CreatePreparedStatement", "queryString", "queryStatement", `"eventID":"e-`, `"eventID":"p-`).Replace(clear)
		cell := strings.NewReplacer("StartQueryExecution", "StartCalculationExecution", `"workGroup":"w"`, `"codeBlock":"print('secretword')","sessionId":"s"`, `"eventID":"e-`, `"eventID":"c-`).Replace(r)
		records = append(records, clear, strings.Replace(failed, `"eventID":"e-`, `"eventID":"f-`, 1),
			strings.Replace(failed, fmt.Sprintf(`"eventID":"e-%d",`, i), "", 1), prepared, cell)
	}
	if err := os.WriteFile(filepath.Join(dir, "111122223333_CloudTrail_eu-west-1_20260505T1100Z_0000000000000000.json"), []byte(`{"Records":[`+strings.Join(records, ",")+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []redact.Mode{redact.Full, redact.LiteralsMasked, redact.FingerprintOnly} {
		t.Run(string(mode), func(t *testing.T) {
			ctx := t.Context()
			l, err := lake.Create(ctx, openDir(t, t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			src, err := source.Parse(ctx, dir, source.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			sum, err := collect.Run(ctx, collect.Options{
				Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits, QueryText: mode,
				Settings: settings(t), Details: athena, Jobs: 2, Now: now, RunID: "run",
			})
			if err != nil || sum.Incomplete() {
				t.Fatalf("%v, %+v", err, sum)
			}
			found, files, tables := map[string]bool{}, 0, false
			for file, err := range l.List(ctx, "") {
				if err != nil {
					t.Fatal(err)
				}
				files++
				data, err := l.Read(ctx, file.Key)
				if err != nil {
					t.Fatal(err)
				}
				look := func(where string, text []byte) {
					for _, secret := range secrets {
						if strings.Contains(string(text), secret) {
							found[secret] = true
							if mode != redact.Full {
								t.Errorf("%s: %s: %q holds %q", file.Key, where, text, secret)
							}
						}
					}
					for _, sql := range secretSQL {
						if plain := athenatrail.HashText(sql); mode != redact.Full && strings.Contains(string(text), plain) {
							t.Errorf("%s: %s: %q holds the plain hash of %q", file.Key, where, text, sql)
						}
					}
					tables = tables || string(text) == "shop.orders"
				}
				look("the file", data)
				if strings.HasSuffix(file.Key, ".parquet") {
					if err := rowfile.Strings(data, look); err != nil {
						t.Fatal(err)
					}
				}
			}
			if files < 8 {
				t.Errorf("looked at %d files", files)
			}
			if mode == redact.Full {
				for _, secret := range secrets {
					if !found[secret] {
						t.Errorf("full: %q is nowhere: the test looks at the wrong places", secret)
					}
				}
			} else if !tables {
				t.Error("the tables of the masked texts are not there")
			}
			texts := 0
			p := athenatrail.NewPartition(time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC), "111122223333", "eu-west-1")
			for q, err := range lake.Read(ctx, l, lake.QueryTexts, p) {
				if err != nil {
					t.Fatal(err)
				}
				if q.QueryString != "" {
					texts++
				}
			}
			want := map[redact.Mode]int{redact.Full: len(secretSQL), redact.LiteralsMasked: len(secretSQL) - 3, redact.FingerprintOnly: 0}
			if texts != want[mode] {
				t.Errorf("%d texts are kept, want %d", texts, want[mode])
			}
			for problem := range lake.Verify(ctx, l, "") {
				t.Error(problem)
			}
		})
	}
}
