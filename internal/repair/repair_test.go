package repair

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
	events  = "facts/events/dt=2026-05-04/" + account + "_" + region + ".parquet"
	rows    = "tables/query_executions_open/dt=2026-05-04/" + account + "_" + region + ".parquet"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// newLake collects three log files of a day, the last of them delivered a day
// late, and returns the lake, what collects into it, and the log files.
func newLake(t *testing.T) (*lake.Lake, collect.Options, []string) {
	t.Helper()
	trail := t.TempDir()
	var files []string
	for n, delivered := range []time.Time{noon.Add(5 * time.Minute), noon.Add(time.Hour), noon.Add(26 * time.Hour)} {
		record := fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::%[1]s:user/rosa","accountId":%[1]q,"userName":"rosa"},"eventTime":%[2]q,"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":%[3]q,"requestParameters":{"workGroup":"w"},"responseElements":{"queryExecutionId":"11111111-2222-4333-8444-%012[4]d"},"eventID":"e-%[4]d","recipientAccountId":%[1]q}`,
			account, noon.Add(time.Duration(n)*time.Minute).Format(time.RFC3339), region, n)
		name := filepath.Join(trail, fmt.Sprintf("%s_CloudTrail_%s_%s_AbCdEfGhIjKlMno%d.json", account, region, delivered.Format("20060102T1504Z"), n))
		if err := os.WriteFile(name, []byte(`{"Records":[`+record+`]}`), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	src, err := source.Parse(t.Context(), trail, source.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := lake.OpenStore(filepath.Join(t.TempDir(), "lake"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	run := collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Settings: &derive.Settings{Identity: people, Prices: prices},
		Limits: cloudtrail.Limits{Record: 1 << 20, File: 1 << 24}, Jobs: 1, Now: noon.AddDate(0, 0, 3), RunID: "run-1",
	}
	if _, err := collect.Run(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	run.Sources, run.RunID = nil, "run-2"
	return l, run, files
}

func readFile(t *testing.T, l *lake.Lake, key string) []byte {
	t.Helper()
	data, err := l.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// damage changes the first half of a file, and returns what was there.
func damage(t *testing.T, l *lake.Lake, key string) (whole, broken []byte) {
	t.Helper()
	whole = readFile(t, l, key)
	broken = bytes.Clone(whole)
	for i := 8; i < len(broken)/2; i++ {
		broken[i] ^= 0xff
	}
	if err := l.Put(t.Context(), key, broken); err != nil {
		t.Fatal(err)
	}
	return whole, broken
}

func repairAll(t *testing.T, l *lake.Lake, run collect.Options) []Outcome {
	t.Helper()
	var problems []lake.Problem
	for p := range lake.Verify(t.Context(), l, "") {
		problems = append(problems, p)
	}
	outcomes, err := Repair(t.Context(), Options{Run: run}, problems)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// Facts and a table come back as they were, from all log files of the day, a
// late one too; what was damaged is kept.
func TestRepair(t *testing.T) {
	l, run, _ := newLake(t)
	facts, brokenFacts := damage(t, l, events)
	table, brokenTable := damage(t, l, rows)
	outcomes := repairAll(t, l, run)
	if len(outcomes) != 2 {
		t.Fatalf("outcomes %+v", outcomes)
	}
	for i, want := range []struct {
		path          string
		whole, broken []byte
	}{{events, facts, brokenFacts}, {rows, table, brokenTable}} {
		o := outcomes[i]
		if !o.Repaired || o.Path != want.path || !bytes.Equal(readFile(t, l, want.path), want.whole) || !bytes.Equal(readFile(t, l, o.Aside), want.broken) {
			t.Errorf("%+v, or other bytes than there were", o)
		}
	}
	for p := range lake.Verify(t.Context(), l, "") {
		t.Errorf("%v", p)
	}
	marks, err := l.Marks(t.Context())
	if err != nil || len(marks) > 0 {
		t.Errorf("marks %v, %v", marks, err)
	}
}

// With one of the log files gone, nothing is replaced: not the facts by some of
// them, and not the tables by what these would give.
func TestALogFileIsGone(t *testing.T) {
	l, run, files := newLake(t)
	if err := os.Remove(files[2]); err != nil {
		t.Fatal(err)
	}
	_, brokenFacts := damage(t, l, events)
	table := readFile(t, l, rows)
	outcomes := repairAll(t, l, run)
	if len(outcomes) != 1 || outcomes[0].Repaired || !strings.Contains(outcomes[0].Text, filepath.Base(files[2])) {
		t.Errorf("outcomes %+v", outcomes)
	}
	if !bytes.Equal(readFile(t, l, events), brokenFacts) || !bytes.Equal(readFile(t, l, rows), table) {
		t.Error("a file was changed")
	}
	// Nor is a table derived from facts that are damaged.
	_, brokenTable := damage(t, l, rows)
	outcomes = repairAll(t, l, run)
	if len(outcomes) != 2 || outcomes[1].Repaired || !bytes.Equal(readFile(t, l, rows), brokenTable) {
		t.Errorf("outcomes %+v", outcomes)
	}
}

// Details are asked for within 45 days, and not at all without an Athena.
func TestWithoutAthena(t *testing.T) {
	l, run, _ := newLake(t)
	const details = "facts/details/dt=2026-05-04/" + account + "_" + region + ".parquet"
	if err := l.Put(t.Context(), details, []byte("no Parquet")); err != nil {
		t.Fatal(err)
	}
	outcomes := repairAll(t, l, run)
	if len(outcomes) != 1 || outcomes[0].Repaired || !strings.Contains(outcomes[0].Text, "Athena has it, and is not asked") {
		t.Errorf("outcomes %+v", outcomes)
	}
}
